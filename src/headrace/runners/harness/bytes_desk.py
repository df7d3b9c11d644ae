"""Answers Open Inference requests with a model that takes files: an input is a BYTES tensor of its name.

n elements are n predictions: element i of every input is one input of the model, and its outputs are element i of the
answer's BYTES tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.runners.harness.answers import Answers
from headrace.runners.harness.failures import log, within
from headrace.runners.harness.file_rows import outputs_of, rows_of
from headrace.runners.harness.files_model import FilesModel
from headrace.runners.harness.flow import STREAM, Flow, Unwanted
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.outcomes import answered, failed
from headrace.runners.harness.questions import Asked, Bodies, Clock, Started, turns
from headrace.runners.harness.tensors import Reply, Request, Spec
from headrace.runners.harness.v2_json import JsonForm
from headrace.runners.harness.v2_proto import ProtoForm


class FilesAsBytes:
    """What the Open Inference Protocol sees of a model that takes files of these names."""

    platform, strict, loose, rows, max_batch_size, sequences, cached = "files", True, False, 0, 0, 0, False
    configuration = ""

    def __init__(self, names: Sequence[str], outputs: Sequence[str] = (), streams: str = "") -> None:
        self.inputs = tuple(Spec(name, "BYTES", (-1,)) for name in names)
        self.outputs = tuple(Spec(name, "BYTES", (-1,)) for name in outputs)
        self.streams = streams


class BytesDesk:
    def __init__(self, model: FilesModel, facts: Facts, answers: Answers, at_most: int) -> None:
        self._model, self._facts, self._answers, self._at_most = model, facts, answers, at_most
        self.name = facts.name
        self._forms: dict[str, JsonForm | ProtoForm] = {"v2-rest": JsonForm(facts), "v2-grpc": ProtoForm(facts)}

    def answer_all(self, questions: list[Asked], bodies: Bodies, started: Started) -> None:
        if STREAM in questions[0].meta:
            self._stream(questions[0], bodies, started)
            return
        for index, end in turns(questions, max(1, self._model.batch_size)):
            started(index, end - index)
            clock = Clock()
            decoded = [self._decoded(asked, memoryview(bodies.one(asked))) for asked in questions[index:end]]
            batch = [files for one in decoded if not isinstance(one, BaseException) for files in one[1]]
            results = iter(self._predicted(batch))
            times = clock.stop(end - index)
            for number, one in enumerate(decoded, index):
                mine = one if isinstance(one, BaseException) else (one[0], [next(results) for _ in one[1]])
                self._answers.add(*self._answer(questions[number], mine, times), number == len(questions) - 1)

    def _stream(self, asked: Asked, bodies: Bodies, started: Started) -> None:
        """Each result that the model gives is an answer; its outputs have one element. Elements follow each other."""
        started(0, 1)
        clock, failure = Clock(), None
        decoded = self._decoded(asked, memoryview(bodies.one(asked)))
        if isinstance(decoded, BaseException):
            self.send(*failed(decoded, clock.stop(1), asked, self.name), last=True)
            return
        request, rows = decoded
        flow = Flow(self, asked, started)

        def take(result: Any) -> None:
            flow.give(Reply(request, outputs_of(self._facts, request, [dict(self._model.files(result))])))

        try:
            for inputs in rows:
                if self._model.streams:
                    self._model.stream(inputs, take)
                else:
                    take(self._model.alone(inputs, explain=False))
        except Unwanted:
            pass
        except BaseException as error:  # noqa: BLE001 - also SystemExit: whatever the model does costs its input only
            log(error)
            failure = error
        flow.end(failure)

    def encode(self, asked: Asked, reply: Reply) -> tuple[list[tuple[str, int]], list[bytes], dict[str, str]]:
        body, meta = self._forms[asked.form].encode(reply, asked.meta)
        within(len(body), self._at_most)
        return [("", len(body))], [body], meta

    def send(self, head: tuple[Any, ...], contents: list[bytes], last: bool) -> None:
        self._answers.add(head, contents, last)

    def _decoded(self, asked: Asked, body: memoryview) -> tuple[Request, list[dict[str, bytes]]] | BaseException:
        try:
            request = self._forms[asked.form].decode(body, asked.meta)
            self._facts.check(request, asked.meta)
            return request, rows_of(request, self._facts.name)
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
            reply = Reply(request, outputs_of(self._facts, request, [dict(self._model.files(one)) for one in results]))
            names, bodies, meta = self.encode(asked, reply)
            return answered(times, names, meta), bodies
        except BaseException as failure:  # noqa: BLE001 - also SystemExit: what a model raised is raised again here
            log(failure)
            return failed(failure, times, asked, self._facts.name)
