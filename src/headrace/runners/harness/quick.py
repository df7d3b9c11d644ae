"""The shortest way of a request: in words that are known (words.py), alone, for a model that takes arrays.

Between its bytes and the model stands only the reading of its numbers; and what the model returns is written at once
where it is just what was declared. Whatever is not that simple is None here, and takes the way of tensor_desk.py,
which also says what is wrong with it.
"""

from __future__ import annotations

from array import array
from math import isfinite
from typing import Any, NamedTuple

from headrace.runners.harness.adapters.adapter import Asked
from headrace.runners.harness.arrays import DTYPES, np
from headrace.runners.harness.jsons import loads
from headrace.runners.harness.numbers import LARGE, Numbers
from headrace.runners.harness.tensors import DATATYPES
from headrace.runners.harness.words import Plain, Words, flat

# whose arrays are the bytes that travel, and whose numbers can be told from all else by their types
NUMBERS = frozenset({"UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64"})
UNDECLARED = ("", None)
_E, _U, _S = b"e", b"u", b"s"
ARRAY = np.ndarray


class Plan(NamedTuple):
    """What all requests in the same words have in common. `asked`: but for the id; there are no parameters."""

    name: str
    shape: tuple[int, ...]
    elements: int
    datatype: str
    dtype: Any
    code: str
    asked: Asked
    rows: str  # elements of the batch dimension, where they are to be told
    binary: frozenset[str]  # those of them that come as bytes, where there is a choice


def _few(plan: Plan, data: bytes) -> array[Any] | None:
    """The numbers of a flat array. None: something else stands there, or one of them is too large."""
    if data.find(_E) >= 0 and (data.find(_U) >= 0 or data.find(_S) >= 0):
        return None  # true or false: no numbers here, though Python's are
    values = loads(data)
    if type(values) is not list or len(values) != plan.elements:
        return None
    raw = array(plan.code, values)
    return None if plan.code == "f" and not isfinite(sum(raw)) else raw


class Quick:
    """`outputs`: name → datatype, as declared. `batched`: the first dimension is the batch. `model`: its name."""

    def __init__(self, outputs: dict[str, str], *, batched: bool = False, model: str = "") -> None:
        self._batched, self._model = batched, model
        self._numbers = Numbers()
        self._outputs = {name: (one, DTYPES[one]) for name, one in outputs.items() if one in NUMBERS}
        self._all = outputs.keys()

    def of_json(self, words: Words, data: bytes) -> dict[str, Any] | None:
        """What the model is given. `data`: what stands where a flat array of JSON should stand, without texts in it."""
        plan = words.plan or self._plan(words)
        if plan is None:
            return None
        try:
            raw = self._large(plan, data) if len(data) >= LARGE else _few(plan, data)
            return None if raw is None else {plan.name: ARRAY(plan.shape, plan.dtype, raw)}
        except (ValueError, TypeError, OverflowError, MemoryError):
            return None

    def _large(self, plan: Plan, data: bytes) -> Any:
        if not flat(data):
            return None
        raw = self._numbers.raw(data, plan.datatype, plan.elements)
        return _few(plan, data) if raw is None else raw

    def of_bytes(self, words: Words, body: bytearray | memoryview, start: int) -> dict[str, Any] | None:
        """`body`: its tensor is all that lies from `start` on. A view is copied: it may only be read."""
        plan = words.plan or self._plan(words)
        if plan is None or len(body) - start != words.size:
            return None
        made = ARRAY(plan.shape, plan.dtype, body, start)
        ours = type(body) is bytearray and not start % plan.dtype.itemsize and made.flags.aligned
        return {plan.name: made if ours else made.copy()}

    def outputs(self, plan: Plan, given: Any) -> list[Plain] | None:
        """Name, datatype and array of each, in the order of the answer."""
        wanted = plan.asked.outputs
        if type(given) is not dict or (wanted is None and len(given) != len(self._all)):
            return None
        found = []
        for name in wanted or self._all:
            value: Any = given.get(name)
            datatype, dtype = self._outputs.get(name, UNDECLARED)
            if type(value) is not ARRAY or (value.dtype is not dtype and value.dtype != dtype):
                return None
            found.append((name, datatype, value))
        return found or None

    def _plan(self, words: Words) -> Plan | None:
        if words.plan is None:
            if not words.good:
                return None
            words.plan = self._made(words)
        return words.plan or None

    def _made(self, words: Words) -> Plan | bool:
        """False: requests in these words say more than their numbers, and which outputs they want in which form."""
        first, one = words.first, words.first.inputs[0]
        wanted, everything = first.outputs or (), first.outputs is None
        if first.parameters or first.typed or any(set(each.parameters or ()) - {"binary_data"} for each in wanted):
            return False
        if one.datatype not in NUMBERS or 0 in one.shape:
            return False
        code = DATATYPES[one.datatype][1]
        return Plan(
            name=one.name,
            shape=one.shape,
            elements=words.count,
            datatype=one.datatype,
            dtype=DTYPES[one.datatype],
            code=code,
            rows=str(one.shape[0]) if self._batched and one.shape[0] != 1 else "",
            asked=Asked(
                None if everything else tuple([each.name for each in wanted]), {}, first.inputs, "", self._model
            ),
            binary=frozenset(
                self._all if everything and first.binary else [each.name for each in wanted if each.binary]
            ),
        )
