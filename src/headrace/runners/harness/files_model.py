"""A model that takes files and gives files: its class has predict(inputs), or predict_batch, or both."""

from __future__ import annotations

import contextlib
import inspect
import json
import math
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headrace.runners.harness.answers import Answers
from headrace.runners.harness.failures import OverLimit, log, sentence, within
from headrace.runners.harness.generators import hand_over, is_generator
from headrace.runners.harness.questions import Asked, Bodies, Clock, Started, turns

LONGEST_NAME = 255  # bytes
MOST_OUTPUTS = 1_000  # of one input
NO_METHOD = "the class has neither predict(inputs) nor predict_batch(batch) nor predict_stream(inputs)"


class FilesModel:
    """One loaded model. `at_most`: bytes of the outputs of one input."""

    def __init__(self, model: object, at_most: int) -> None:
        self._at_most = at_most
        self._predict = _method(model, "predict")
        self._batch = _method(model, "predict_batch")
        self._stream = _method(model, "predict_stream")
        if self._predict is not None and is_generator(self._predict[0]):
            self._predict, self._stream = None, self._stream or self._predict
        has_one = self._predict is not None or self._batch is not None
        self.streams = "" if self._stream is None else "also" if has_one else "only"
        self.batch_size = batch_size(model)
        self.inputs, self.outputs = names_of(model, "inputs"), names_of(model, "outputs")
        if not has_one and self._stream is None:
            raise TypeError(NO_METHOD)

    def results(self, batch: list[dict[str, bytes]], explain: bool) -> list[Any] | None:
        """The answers to some inputs together, or None when that failed as a whole: then each is asked alone."""
        if len(batch) == 1:
            return [self.alone(batch[0], explain)]
        if self._batch is None:
            return None
        try:
            results = list(_call(self._batch, list(batch), explain))
        except BaseException:  # noqa: BLE001 - also SystemExit: whatever the model does costs its input only
            traceback.print_exc()
            return None
        if len(results) != len(batch):
            sys.stderr.write(f"predict_batch returned {len(results)} answers to {len(batch)} inputs\n")
            return None
        return results

    def alone(self, inputs: dict[str, bytes], explain: bool) -> Any:
        try:
            if self.streams == "only":
                return self._joined(inputs, explain)
            if self._batch is None or self._predict is not None:
                return _call(self._predict, inputs, explain)
            results = list(_call(self._batch, [inputs], explain))
        except BaseException as error:  # noqa: BLE001 - also SystemExit: whatever the model does costs its input only
            return error
        if len(results) != 1:
            return TypeError(f"predict_batch returned {len(results)} answers to 1 input")
        return results[0]

    def stream(self, inputs: dict[str, bytes], take: Callable[[Any], None]) -> None:
        """Hands over each result as soon as the model gives it."""
        hand_over(_call(self._stream, inputs, explain=False), take)

    def _joined(self, inputs: dict[str, bytes], explain: bool) -> dict[str, bytes]:
        """All results of a stream as one: the pieces of each output, one behind the other."""
        found: dict[str, bytearray] = {}

        def take(result: Any) -> None:
            for name, piece in self.files(result):
                found.setdefault(name, bytearray()).extend(piece)
            within(sum(len(body) for body in found.values()), self._at_most)

        hand_over(_call(self._stream, inputs, explain), take)
        return {name: bytes(body) for name, body in found.items()}

    def files(self, result: Any) -> list[tuple[str, bytes]]:
        """What the model returned, as named bodies. Raises what it raised, OverLimit and what JSON cannot hold."""
        return _checked(_outputs(result, self.outputs), self._at_most)


class FilesDesk:
    """Answers questions of the form FILES."""

    def __init__(self, model: FilesModel, answers: Answers) -> None:
        self._model, self._answers = model, answers

    def answer_all(self, questions: list[Asked], bodies: Bodies, started: Started) -> None:
        """`started(index, count)` is told before a question's bodies are read."""
        for index, end in _same(questions, self._model.batch_size):
            started(index, end - index)
            batch = [bodies.files(asked) for asked in questions[index:end]]
            explain, clock = questions[index].explain, Clock()
            results = self._model.results(batch, explain)
            if results is not None:
                times = clock.stop(len(batch))
                for number, result in enumerate(results, index):
                    self._add(result, times, last=number == len(questions) - 1)
                continue
            for number, inputs in enumerate(batch, index):
                started(number, 1)
                clock = Clock()
                result = self._model.alone(inputs, explain)
                self._add(result, clock.stop(1), last=number == len(questions) - 1)

    def _add(self, result: Any, times: tuple[int, int, float], last: bool) -> None:
        names: list[tuple[str, int]] = []
        contents: list[bytes] = []
        error = None
        try:
            for name, body in self._model.files(result):
                contents.append(body)
                names.append((name, len(body)))
        except BaseException as failure:  # noqa: BLE001 - as above
            names, contents, error = [], [], sentence(failure)
            log(failure)
        self._answers.add((*times, error, names), contents, last)


def _same(questions: list[Asked], at_most: int) -> list[tuple[int, int]]:
    """Turns in which all or none are to be explained."""
    found = []
    for index, end in turns(questions, at_most):
        start = index
        for number in range(index + 1, end):
            if questions[number].explain != questions[start].explain:
                found.append((start, number))
                start = number
        found.append((start, end))
    return found


def _method(model: object, name: str) -> tuple[Any, bool] | None:
    """The method, and whether it takes the keyword `explain`."""
    method = getattr(model, name, None)
    return (method, takes(method, "explain")) if callable(method) else None


def takes(method: Any, keyword: str) -> bool:
    with contextlib.suppress(TypeError, ValueError):  # a method in C may not tell
        for parameter in inspect.signature(method).parameters.values():
            if parameter.name == keyword or parameter.kind is parameter.VAR_KEYWORD:
                return True
    return False


def _call(method: tuple[Any, bool] | None, argument: Any, explain: bool) -> Any:
    if method is None:
        raise TypeError(NO_METHOD)
    function, takes_explain = method
    return function(argument, explain=explain) if takes_explain else function(argument)


def batch_size(model: object) -> int:
    size = getattr(model, "batch_size", 1)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise TypeError(f"batch_size is {size!r}, and should be a whole number from 1")
    return size if callable(getattr(model, "predict_batch", None)) else 1


def names_of(model: object, attribute: str) -> list[str]:
    value = getattr(model, attribute, ())
    return [str(name) for name in value] if isinstance(value, (list, tuple, dict)) else []


def _outputs(result: Any, declared: list[str]) -> list[tuple[str, bytes]]:
    """Bytes by output name. A dict is outputs when its keys look like file names, are declared, or hold only bytes."""
    if isinstance(result, BaseException):
        raise result
    if isinstance(result, dict) and result:
        named = all(isinstance(name, str) and (name in declared or Path(name).suffix) for name in result)
        if named or all(isinstance(value, (bytes, bytearray)) for value in result.values()):
            return [(str(name), _bytes(value)) for name, value in result.items()]
    return [("results.json", as_json(result))]


def _checked(outputs: list[tuple[str, bytes]], at_most: int) -> list[tuple[str, bytes]]:
    within(sum(len(body) for _, body in outputs), at_most)
    if len(outputs) > MOST_OUTPUTS:
        raise OverLimit(f"it returned {len(outputs)} outputs, the limit is {MOST_OUTPUTS}")
    for name, _ in outputs:
        if not 0 < len(name.encode()) <= LONGEST_NAME:
            raise OverLimit(f"an output's name has {len(name)} characters, and may have 1 to {LONGEST_NAME}")
    return outputs


def _bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    return value.encode() if isinstance(value, str) else as_json(value)


def as_json(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain).encode()
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, default=_plain).encode()


def _plain(value: Any) -> Any:
    """What JSON does not know: arrays and scalars of numpy and its kin, bytes, sets."""
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode()
    raise TypeError(f"an output holds a {type(value).__name__}, which cannot be written as JSON")


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for both."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
