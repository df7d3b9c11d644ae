"""Answers Open Inference requests with a model that takes files: an input is a BYTES tensor of its name.

n elements are n predictions: element i of every input is one input of the model, and its outputs are element i of the
answer's BYTES tensors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from headrace.runners.harness.answers import Answers
from headrace.runners.harness.failures import log, within
from headrace.runners.harness.files_model import FilesModel
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.outcomes import answered, failed
from headrace.runners.harness.questions import Asked, Bodies, Clock, Started, turns
from headrace.runners.harness.tensors import Column, Output, Refused, Reply, Request, Spec, elements
from headrace.runners.harness.v2_json import JsonForm
from headrace.runners.harness.v2_proto import ProtoForm

MOST = 100_000  # predictions of one request


class FilesAsBytes:
    """What the Open Inference Protocol sees of a model that takes files of these names."""

    platform, strict, rows, max_batch_size = "files", True, 0, 0
    outputs: tuple[Spec, ...] = ()

    def __init__(self, names: Sequence[str]) -> None:
        self.inputs = tuple(Spec(name, "BYTES", (-1,)) for name in names)


class BytesDesk:
    def __init__(self, model: FilesModel, facts: Facts, answers: Answers, at_most: int) -> None:
        self._model, self._facts, self._answers, self._at_most = model, facts, answers, at_most
        self._forms: dict[str, JsonForm | ProtoForm] = {"v2-rest": JsonForm(facts), "v2-grpc": ProtoForm(facts)}

    def answer_all(self, questions: list[Asked], bodies: Bodies, started: Started) -> None:
        for index, end in turns(questions, max(1, self._model.batch_size)):
            started(index, end - index)
            clock = Clock()
            decoded = [self._decoded(asked, bodies.one(asked)) for asked in questions[index:end]]
            batch = [files for one in decoded if not isinstance(one, BaseException) for files in one[1]]
            results = iter(self._predicted(batch))
            times = clock.stop(end - index)
            for number, one in enumerate(decoded, index):
                mine = one if isinstance(one, BaseException) else (one[0], [next(results) for _ in one[1]])
                self._answers.add(*self._answer(questions[number], mine, times), number == len(questions) - 1)

    def _decoded(self, asked: Asked, body: memoryview) -> tuple[Request, list[dict[str, bytes]]] | BaseException:
        try:
            request = self._forms[asked.form].decode(body, asked.meta)
            self._facts.check(request)
            return request, _rows(request, self._facts.name)
        except Exception as failure:  # noqa: BLE001 - no request may end this process, whatever it holds
            return failure

    def _predicted(self, batch: list[dict[str, bytes]]) -> list[Any]:
        found: list[Any] = []
        size = self._model.batch_size
        for start in range(0, len(batch), size):
            part = batch[start : start + size]
            results = self._model.results(part, explain=False)
            found += [self._model.alone(inputs, explain=False) for inputs in part] if results is None else results
        return found

    def _answer(
        self, asked: Asked, mine: tuple[Request, list[Any]] | BaseException, times: tuple[int, int, float]
    ) -> tuple[tuple[Any, ...], list[bytes]]:
        try:
            if isinstance(mine, BaseException):
                raise mine  # noqa: TRY301 - one place where failures become answers
            request, results = mine
            reply = Reply(request, self._outputs(request, [dict(self._model.files(one)) for one in results]))
            body, meta = self._forms[asked.form].encode(reply, asked.meta)
            within(len(body), self._at_most)
            return answered(times, [("", len(body))], meta), [body]
        except BaseException as failure:  # noqa: BLE001 - also SystemExit: what a model raised is raised again here
            log(failure)
            return failed(failure, times, asked, self._facts.name)

    def _outputs(self, request: Request, rows: list[dict[str, bytes]]) -> list[Output]:
        names = list(dict.fromkeys(name for row in rows for name in row)) or list(self._facts.output_types)
        if request.outputs is not None:
            for wanted in request.outputs:
                if wanted.name not in names:
                    raise Refused(f"unexpected inference output '{wanted.name}' for model '{self._facts.name}'")
            names = [wanted.name for wanted in request.outputs]
        shape = (len(rows),)
        return [Output(Column(name, "BYTES", [row.get(name, b"") for row in rows]), shape) for name in names]


def _rows(request: Request, model: str) -> list[dict[str, bytes]]:
    """One input of the model for each element. Raises Refused."""
    columns = {}
    for one in request.inputs:
        if one.datatype != "BYTES":
            raise Refused(
                f"inference input '{one.name}' data-type is '{one.datatype}', but model '{model}' expects 'BYTES'"
            )
        if math.prod(one.shape) > MOST:
            raise Refused(f"input '{one.name}' has more than {MOST} elements")
        columns[one.name] = elements(one, model)
    sizes = {len(column) for column in columns.values()}
    if len(sizes) > 1:
        raise Refused(f"the inputs of model '{model}' should have the same number of elements")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
