"""Tensors as they travel: datatypes, one request and one answer of the Open Inference Protocol, undecoded data.

Standard library only: numpy is needed where a model wants arrays (arrays.py), not here.
"""

from __future__ import annotations

import array
import math
import random
import struct
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

# bytes of one element (0: each has its own length), type code of the module array, numpy's name
DATATYPES = {
    "BOOL": (1, "B", "?"),
    "UINT8": (1, "B", "u1"),
    "UINT16": (2, "H", "u2"),
    "UINT32": (4, "I", "u4"),
    "UINT64": (8, "Q", "u8"),
    "INT8": (1, "b", "i1"),
    "INT16": (2, "h", "i2"),
    "INT32": (4, "i", "i4"),
    "INT64": (8, "q", "i8"),
    "FP16": (2, "", "f2"),
    "BF16": (2, "", ""),
    "FP32": (4, "f", "f4"),
    "FP64": (8, "d", "f8"),
    "BYTES": (0, "", "O"),
}
REQUEST, UNSUPPORTED, MODEL = "request", "unsupported", "model"
MOST_DIMENSIONS = 32
LARGEST = (1 << 63) - 1
LENGTH = struct.Struct("<I")
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf, None: math.nan}
_TRUTHS = {0: 0, 1: 1}  # False, 0.0, True and 1.0 are the same keys
_VERSION_4, _NO_VERSION = 4 << 76 | 2 << 62, ~(15 << 76 | 3 << 62)


class Refused(Exception):
    """The request breaks a rule. `kind`: whose fault it is."""

    def __init__(self, sentence: str, kind: str = REQUEST) -> None:
        super().__init__(sentence)
        self.kind = kind


class Spec(NamedTuple):
    """One declared input or output. A dimension of -1 takes any size; with batching the first one is the batch."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False
    parameters: Mapping[str, str] | None = None  # what else is said of it


class Input:
    """`data`: a list of JSON values or bytes, or a memoryview of the tensor's bytes, little-endian and row by row."""

    __slots__ = ("data", "datatype", "name", "parameters", "shape")

    def __init__(
        self, name: str, datatype: str, shape: tuple[int, ...], data: Any, parameters: dict[str, Any] | None
    ) -> None:
        self.name, self.datatype, self.shape = name, datatype, shape
        self.data, self.parameters = data, parameters


class Wanted(NamedTuple):
    """An output that was asked for by name."""

    name: str
    binary: bool = False
    classes: int = 0
    parameters: dict[str, Any] | None = None


class Request:
    """`id` "" is replaced by one of ours. `outputs` None: all."""

    __slots__ = ("binary", "id", "id_given", "inputs", "model", "outputs", "parameters", "typed", "words")

    def __init__(
        self,
        id: str,  # noqa: A002 - its name in the protocol
        inputs: list[Input],
        outputs: tuple[Wanted, ...] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> None:
        self.id, self.id_given = id or new_id(), bool(id)
        self.inputs, self.outputs, self.parameters = inputs, outputs, parameters
        self.binary = False  # all outputs that were not asked for by name are wanted binary
        self.typed = False  # gRPC: typed contents instead of raw ones
        self.model = ""  # the name by which it was asked for, where the request says it
        self.words: Any = None  # in which it was asked, where they may come again (words.py)


class Column:
    """One output of a run, perhaps of several requests together: encoded once, and sliced for each.

    `values` is a flat array of numpy, or a list of bytes.
    """

    __slots__ = ("_flat", "_raw", "datatype", "name", "values")

    def __init__(self, name: str, datatype: str, values: Any) -> None:
        self.name, self.datatype, self.values = name, datatype, values
        self._flat: list[Any] | None = None
        self._raw: memoryview | None = None

    def flat(self, start: int, stop: int) -> list[Any]:
        """Plain Python values."""
        if self._flat is None:
            self._flat = self.values if isinstance(self.values, list) else self.values.tolist()
        flat = self._flat
        return flat if stop - start == len(flat) else flat[start:stop]

    def part(self, start: int, stop: int) -> Any:
        values = self.values
        return values if stop - start == len(values) else values[start:stop]

    def raw(self, start: int, stop: int) -> bytes | memoryview:
        """The bytes of the binary extension."""
        size = DATATYPES[self.datatype][0]
        if not size:
            return pack_bytes(self.flat(start, stop))
        if self._raw is None:
            self._raw = memoryview(self.values.tobytes())
        return self._raw[start * size : stop * size]


class Output:
    """The elements from `start` to `stop` of a column, as one tensor."""

    __slots__ = ("column", "parameters", "shape", "start", "stop")

    def __init__(
        self,
        column: Column,
        shape: tuple[int, ...],
        start: int = 0,
        stop: int | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> None:
        self.column, self.shape, self.start, self.parameters = column, shape, start, parameters
        self.stop = start + math.prod(shape) if stop is None else stop

    @property
    def flat(self) -> list[Any]:
        return self.column.flat(self.start, self.stop)

    @property
    def part(self) -> Any:
        """As it is held: a flat array, or a list."""
        return self.column.part(self.start, self.stop)

    @property
    def raw(self) -> bytes | memoryview:
        return self.column.raw(self.start, self.stop)


class Reply:
    """What is to be encoded: outputs in the order of the answer."""

    __slots__ = ("outputs", "parameters", "request")

    def __init__(self, request: Request, outputs: list[Output], parameters: dict[str, Any] | None = None) -> None:
        self.request, self.outputs, self.parameters = request, outputs, parameters


def new_id() -> str:
    """A UUID of version 4: unique, not secret."""
    text = f"{random.getrandbits(128) & _NO_VERSION | _VERSION_4:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def once(what: str, names: list[str]) -> None:
    """Raises Refused for a name that stands twice."""
    if len(names) > 1 and len(set(names)) != len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise Refused(f"{what} '{double}' already exists in request")


def count_of(name: str, shape: tuple[int, ...]) -> int:
    """Elements. Raises Refused for shapes that no tensor can have."""
    if len(shape) > MOST_DIMENSIONS:
        raise Refused(f"shape of input '{name}' has {len(shape)} dimensions, the limit is {MOST_DIMENSIONS}")
    if (count := math.prod(shape)) > LARGEST or (not count and math.prod(filter(None, shape)) > LARGEST):
        raise Refused(f"shape of input '{name}' causes total element count to exceed maximum size of {LARGEST}")
    return count


def pack_bytes(elements: list[Any]) -> bytes:
    """BYTES in the binary extension: each element after its length."""
    parts = []
    for element in elements:
        piece = element if isinstance(element, bytes) else as_bytes(element)
        parts.append(LENGTH.pack(len(piece)))
        parts.append(piece)
    return b"".join(parts)


def as_bytes(element: Any) -> bytes:
    if isinstance(element, (bytes, bytearray, memoryview)):
        return bytes(element)
    return str(element).encode()


def unpack_bytes(name: str, model: str, data: memoryview, count: int) -> list[bytes]:
    """Raises Refused when there are not exactly `count` elements."""
    elements, start, size = [], 0, len(data)
    while start < size:
        if start + 4 > size:
            raise Refused(
                f"incomplete string length indicator for inference input '{name}' for model '{model}', "
                f"expecting {LENGTH.size} bytes but only {size - start} bytes available."
            )
        (length,) = LENGTH.unpack_from(data, start)
        start += 4
        if start + length > size:
            raise Refused(
                f"incomplete string data for inference input '{name}' for model '{model}', expecting string of "
                f"length {length} but only {size - start} bytes available."
            )
        elements.append(bytes(data[start : start + length]))
        start += length
    if len(elements) != count:
        raise Refused(
            f"expected {count} string elements for inference input '{name}' for model '{model}', got {len(elements)}"
        )
    return elements


def flatten(values: list[Any]) -> list[Any]:
    """Data nested to any depth, as a flat list. Raises Refused when the nesting is ragged."""
    depth = 0
    while values and any(type(value) is list for value in values):
        depth += 1
        if depth > MOST_DIMENSIONS or not all(type(value) is list for value in values):
            raise Refused("Unable to parse 'data': its nesting is ragged")
        lengths = {len(value) for value in values}
        if len(lengths) > 1:
            raise Refused("Unable to parse 'data': its nesting is ragged")
        values = [inner for value in values for inner in value]
    return values


def buffer_of(name: str, datatype: str, values: list[Any], wanted: str = "") -> array.array[Any]:
    """JSON numbers of a datatype that the module array knows. Raises Refused for those that do not fit it.

    `wanted`: the datatype they are for, where it is another one.
    """
    code = DATATYPES[datatype][1]
    try:
        if datatype == "BOOL":
            return array.array(code, [_TRUTHS[value] for value in values])
        kinds = set(map(type, values))
        if code in "fd":
            if not kinds <= {float, int}:
                values = [value if type(value) in (float, int) else _WORDS[value] for value in values]
            made = array.array(code, values)
            if code == "f" and not math.isfinite(sum(made)):  # the module array makes infinities of what is too large
                check_range(name, datatype, values, made)
            return made
        if not kinds <= {int}:
            values = [_whole(value) for value in values]
        return array.array(code, values)
    except OverflowError:
        raise Refused(
            f"Unable to parse 'data': a value is out of range for input '{name}' of type {wanted or datatype}"
        ) from None
    except (KeyError, TypeError, ValueError):
        raise Refused(
            f"Unable to parse 'data': a value of input '{name}' is not of type {wanted or datatype}"
        ) from None


def check_range(name: str, datatype: str, values: Iterable[float], made: Iterable[float]) -> None:
    """Raises Refused where a number has become infinite by being made a `datatype`."""
    for index, (value, one) in enumerate(zip(values, made, strict=True)):
        if math.isinf(one) and not math.isinf(value):
            raise Refused(
                f"Unable to parse 'data': the value {float(value)!r} at index {index} is out of range "
                f"for input '{name}' of type {datatype}"
            )


def _whole(value: Any) -> int:
    """Some clients write every number with a point."""
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise TypeError


def texts(name: str, values: list[Any]) -> list[bytes]:
    """The elements of a BYTES tensor. Raises Refused for JSON values that are no strings."""
    try:
        return [value if type(value) is bytes else value.encode() for value in values]
    except (AttributeError, UnicodeEncodeError):
        raise Refused(f"Unable to parse JSON bytes array: 'data' of input '{name}' should hold strings only") from None


def elements(one: Input, model: str) -> list[bytes]:
    if type(one.data) is memoryview:
        return unpack_bytes(one.name, model, one.data, math.prod(one.shape))
    return texts(one.name, one.data)
