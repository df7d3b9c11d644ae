"""`reshape` of a config.pbtxt: what clients see as `dims` reaches the model, or comes from it, in another shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from headrace.runners.harness.adapters.adapter import Adapter, Asked, Given, Taker
from headrace.runners.harness.arrays import Unfit, as_array
from headrace.runners.harness.tensors import Refused

TOLD = (
    *("platform", "strict", "loose", "rows", "inputs", "outputs", "max_batch_size", "streams", "cached", "sequences"),
    *("configuration", "routes", "labels"),
)
Arrays = dict[str, Any]


class Reshape(NamedTuple):
    """Both without the batch. A -1 stands for a size that is the same in both, in their order."""

    dims: tuple[int, ...]  # as clients see it
    shape: tuple[int, ...]  # as the model sees it


class Reshaped(Adapter):
    def __init__(self, model: Adapter, reshapes: Mapping[str, Reshape]) -> None:
        for name in TOLD:
            setattr(self, name, getattr(model, name))
        self._model, self._reshapes = model, reshapes
        self._batch = 1 if model.max_batch_size else 0  # dimensions before those of the config

    def run(self, arrays: Arrays, asked: Asked) -> Arrays | Given:
        return self._given(self._model.run(self._taken(arrays), asked))

    def stream(self, arrays: Arrays, asked: Asked, taker: Taker) -> None:
        self._model.stream(self._taken(arrays), asked, _Taker(self, taker))

    def _taken(self, arrays: Arrays) -> Arrays:
        return {
            name: self._as(array, one.dims, one.shape) if (one := self._reshapes.get(name)) else array
            for name, array in arrays.items()
        }

    def _given(self, result: Arrays | Given) -> Arrays | Given:
        if isinstance(result, Given):
            return result._replace(outputs=self._outputs(result.outputs))
        return self._outputs(result)

    def _outputs(self, outputs: Arrays) -> Arrays:
        return {
            name: self._as(as_array(value, name), one.shape, one.dims, Unfit)
            if (one := self._reshapes.get(name))
            else value
            for name, value in outputs.items()
        }

    def _as(self, array: Any, before: Sequence[int], after: Sequence[int], error: type[Exception] = Refused) -> Any:
        sizes = array.shape[self._batch :]
        free = iter([size for size, said in zip(sizes, before, strict=False) if said < 0])
        wanted = (*array.shape[: self._batch], *(next(free, -1) if size < 0 else size for size in after))
        try:
            return array.reshape(wanted)
        except ValueError:
            raise error(f"config.pbtxt: a tensor of the shape {list(array.shape)} cannot be {list(wanted)}") from None


class _Taker:
    def __init__(self, model: Reshaped, taker: Taker) -> None:
        self._model, self._taker = model, taker

    def give(self, result: Arrays | Given) -> None:
        self._taker.give(self._model._given(result))  # noqa: SLF001 - a part of it

    def wanted(self) -> bool:
        return self._taker.wanted()


def reshaped(model: Adapter, reshapes: Mapping[str, Reshape]) -> Adapter:
    return Reshaped(model, reshapes) if reshapes else model
