"""A Python class that takes named arrays: `tensors = True`, or inputs and outputs that are declared with datatypes.

class Model:
    inputs = {"x": ("FP32", [-1, 4])}      # or {"datatype": "FP32", "shape": [-1, 4]}; may be in model.yaml instead
    outputs = {"y": ("FP32", [-1, 4])}
    max_batch_size = 64                    # > 0: every first dimension is the batch, and requests run together
    labels = {"y": ["cat", "dog", …]}      # for the classification extension
    response_cache = True                  # it always answers the same: answers may be given again without asking it

    def predict(self, inputs):             # {"x": array}; may take `parameters` too
        return {"y": inputs["x"] * 2}

    def predict_stream(self, inputs):      # for those who ask for any number of answers: a generator, perhaps an async
        yield {"y": inputs["x"]}           # one. Where it is the only one, or `predict` itself is a generator: always
"""

from __future__ import annotations

from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked, Given, Taker
from headrace.runners.harness.adapters.one import only_one
from headrace.runners.harness.files_model import takes
from headrace.runners.harness.generators import hand_over, is_generator
from headrace.runners.harness.tensors import DATATYPES, Spec


class PythonTensors(Adapter):
    def __init__(self, model: Any, declared: dict[str, Any]) -> None:
        self._predict, self._stream, self.streams = methods(model)
        self.inputs = specs("inputs", _said(model, declared, "inputs"))
        self.outputs = specs("outputs", _said(model, declared, "outputs"))
        self.max_batch_size = _batch(_said(model, declared, "max_batch_size") or 0)
        self.labels = getattr(model, "labels", None)
        self.cached = _said(model, declared, "response_cache") is True
        self.anonymous = self._predict is not None and not self._predict[1]
        check_batch(self)

    def run(self, arrays: dict[str, Any], asked: Asked) -> dict[str, Any] | Given:
        if self._predict is None:
            return only_one(self, arrays, asked)
        given = _call(self._predict, arrays, asked)
        return given if type(given) is dict else self._named(given)

    def stream(self, arrays: dict[str, Any], asked: Asked, taker: Taker) -> None:
        hand_over(_call(self._stream, arrays, asked), lambda given: taker.give(self._named(given)))

    def _named(self, given: Any) -> dict[str, Any] | Given:
        if isinstance(given, dict):
            return given
        if len(self.outputs) == 1:
            return {self.outputs[0].name: given}
        if isinstance(given, (list, tuple)) and len(given) == len(self.outputs):
            return {spec.name: one for spec, one in zip(self.outputs, given, strict=True)}
        raise TypeError(f"predict returned a {type(given).__name__}, and should return arrays by output name")


Method = tuple[Any, bool]


def methods(model: Any) -> tuple[Method | None, Method | None, str]:
    """predict, what streams, and `streams` of an Adapter; with each method, whether it takes `parameters`."""
    found = [one if callable(one := getattr(model, name, None)) else None for name in ("predict", "predict_stream")]
    predict, stream = found
    if predict is None and stream is None:
        raise TypeError("the class has neither predict(inputs) nor predict_stream(inputs)")
    if is_generator(predict):
        predict, stream = None, stream or predict
    streams = "" if stream is None else "only" if predict is None else "also"
    return _method(predict), _method(stream), streams


def _method(function: Any) -> Method | None:
    return None if function is None else (function, takes(function, "parameters"))


def _call(method: Method | None, arrays: dict[str, Any], asked: Asked) -> Any:
    if method is None:
        raise TypeError("the class gives one answer to a request, and has no predict_stream(inputs)")
    function, takes_parameters = method
    return function(arrays, parameters=asked.parameters) if takes_parameters else function(arrays)


def specs(what: str, given: Any) -> tuple[Spec, ...]:
    """From {name: spec} or [{name, datatype, shape}]. Raises TypeError."""
    if isinstance(given, dict):
        return tuple(_spec(what, str(name), one) for name, one in given.items())
    return tuple(_spec(what, str(one["name"]), one) for one in given or () if isinstance(one, dict) and "name" in one)


def check_batch(model: Adapter) -> None:
    if model.max_batch_size:
        for spec in (*model.inputs, *model.outputs):
            if not spec.shape or spec.shape[0] != -1:
                raise TypeError(
                    f"max_batch_size is {model.max_batch_size}, so the first dimension of '{spec.name}' should be -1, "
                    f"and its shape is {list(spec.shape)}"
                )


def _said(model: Any, declared: dict[str, Any], name: str) -> Any:
    own = getattr(model, name, None)
    return own if own is not None else declared.get(name)


def _is_spec(one: Any) -> bool:
    if isinstance(one, dict):
        return one.get("datatype") in DATATYPES
    return isinstance(one, (list, tuple)) and len(one) == 2 and one[0] in DATATYPES  # noqa: PLR2004 - datatype, shape


def _spec(what: str, name: str, one: Any) -> Spec:
    if not _is_spec(one):
        raise TypeError(f'{what}: {name} is {one!r}, and should be like ("FP32", [-1, 4])')
    datatype, shape = (one["datatype"], one.get("shape", [-1])) if isinstance(one, dict) else one
    if not isinstance(shape, (list, tuple)) or not all(type(size) is int and size >= -1 for size in shape):
        raise TypeError(f"{what}: the shape of {name} is {shape!r}, and should be a list of whole numbers from -1")
    return Spec(name, datatype, tuple(shape), bool(isinstance(one, dict) and one.get("optional")))


def _batch(size: Any) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise TypeError(f"max_batch_size is {size!r}, and should be a whole number from 0")
    return size
