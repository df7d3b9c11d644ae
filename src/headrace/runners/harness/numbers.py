"""Large arrays of JSON numbers straight into the bytes of a tensor, where simdjson and numpy are at hand.

A list of Python's numbers in between would take most of the time that such a request takes.
"""

from __future__ import annotations

import importlib
from typing import Any

LARGE = 4_096  # bytes of JSON from which it is worth it
KINDS = {
    "FP32": ("d", "<f4"), "FP64": ("d", "<f8"), "INT8": ("i", "<i1"), "INT16": ("i", "<i2"), "INT32": ("i", "<i4"),
    "INT64": ("i", "<i8"), "UINT8": ("u", "<u1"), "UINT16": ("u", "<u2"), "UINT32": ("u", "<u4"),
    "UINT64": ("u", "<u8"),
}  # fmt: skip
WIDE = {"d": "<f8", "i": "<i8", "u": "<u8"}


class Numbers:
    """`raw` gives None for whatever is not that simple: then it is read the longer way, which says what is wrong."""

    def __init__(self) -> None:
        try:
            self._np: Any = importlib.import_module("numpy")
            self._parser: Any = importlib.import_module("simdjson").Parser()
        except ImportError:
            self._np = self._parser = None

    def raw(self, text: bytes, datatype: str, count: int) -> memoryview | None:
        """The flat array `text` of `count` numbers as the bytes of a tensor."""
        if self._parser is None or len(text) < LARGE or datatype not in KINDS:
            return None
        kind, code = KINDS[datatype]
        try:
            values = self._np.frombuffer(self._parser.parse(text).as_buffer(of_type=kind), WIDE[kind])
        except (ValueError, TypeError, RuntimeError):
            return None
        return self._narrow(values, kind, code) if len(values) == count else None

    def _narrow(self, values: Any, kind: str, code: str) -> memoryview | None:
        np = self._np
        if code != WIDE[kind]:
            if kind != "d":
                limits = np.iinfo(code)
                if values.min() < limits.min or values.max() > limits.max:
                    return None
            with np.errstate(over="ignore"):
                values = values.astype(code)
            if kind == "d" and np.isinf(values).any():  # JSON has none: they were too large
                return None
        return memoryview(values).cast("B")
