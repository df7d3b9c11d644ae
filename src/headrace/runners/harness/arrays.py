"""Arrays of numpy from tensors that were asked for, and columns from arrays that a model returned."""

from __future__ import annotations

import importlib
from typing import Any

from headrace.runners.harness.tensors import DATATYPES, Column, Input, as_bytes, buffer_of, check_range, elements

try:
    np: Any = importlib.import_module("numpy")
except ImportError as error:
    raise ImportError("this model takes tensors, which needs numpy: name numpy in its requirements.txt") from error

DTYPES = {name: np.dtype(code) for name, (_, _, code) in DATATYPES.items() if code} | {"BF16": np.dtype("f4")}
NAMES = {
    "?": "BOOL", "B": "UINT8", "H": "UINT16", "I": "UINT32", "b": "INT8", "h": "INT16", "i": "INT32", "e": "FP16",
    "f": "FP32", "d": "FP64", "O": "BYTES", "S": "BYTES", "U": "BYTES", "T": "BYTES",
}  # fmt: skip
PLAIN = {np.dtype(code): name for name, (_, code, _) in DATATYPES.items() if code and name != "BOOL"}  # as they travel
_OF_SIZE = {("i", 8): "INT64", ("u", 8): "UINT64", ("i", 4): "INT32", ("u", 4): "UINT32"}  # l and q differ by machine
_HALF_OF_F4 = 1 << 16


class Unfit(TypeError):
    """What the model returned is not what it declared."""


def array_of(parts: list[Input], shape: tuple[int, ...], model: str) -> Any:
    """One array of inputs that agree in name, datatype and all but their first dimension. Raises Refused."""
    first = parts[0]
    datatype = first.datatype
    if datatype == "BYTES":
        return _bytes_of(parts, shape, model)
    raw = [type(one.data) is memoryview for one in parts]
    if all(raw):
        buffer = first.data if len(parts) == 1 else bytearray().join([one.data for one in parts])
        return _from_buffer(buffer, datatype, shape)
    if not any(raw):
        values = first.data if len(parts) == 1 else [value for one in parts for value in one.data]
        return _from_values(first.name, values, datatype, shape)
    return np.concatenate([array_of([one], one.shape, model) for one in parts])


def _from_buffer(buffer: Any, datatype: str, shape: tuple[int, ...]) -> Any:
    if not len(buffer):
        return np.empty(shape, DTYPES[datatype])
    if datatype == "BF16":
        wide = np.frombuffer(buffer, "<u2").astype("u4") << 16
        return wide.view("f4").reshape(shape)
    if datatype == "BOOL":
        return (np.frombuffer(buffer, "u1") != 0).reshape(shape)
    array = np.frombuffer(buffer, DTYPES[datatype]).reshape(shape)
    return array if array.flags.aligned else array.copy()


def _from_values(name: str, values: list[Any], datatype: str, shape: tuple[int, ...]) -> Any:
    if datatype in ("FP16", "BF16"):
        with np.errstate(over="ignore"):
            wide = np.frombuffer(buffer_of(name, "FP64", values, datatype), "f8") if values else np.empty(0)
            narrow = wide.astype(DTYPES[datatype])
        if datatype == "BF16":
            narrow = _from_buffer(_bf16(narrow), "BF16", narrow.shape)
        if np.isinf(narrow).any():
            check_range(name, datatype, wide.tolist(), narrow.tolist())
        return narrow.reshape(shape)
    if not values:
        return np.empty(shape, DTYPES[datatype])
    return np.frombuffer(buffer_of(name, datatype, values), DTYPES[datatype]).reshape(shape)


def _bf16(values: Any) -> bytes:
    """The upper halves of float32, rounded to the nearest."""
    bits = np.ascontiguousarray(values, "<f4").view("u4")
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    upper = np.where(np.isnan(values.reshape(-1)), 0x7FC0, rounded.reshape(-1) >> 16)
    return bytes(upper.astype("<u2").tobytes())


def _bytes_of(parts: list[Input], shape: tuple[int, ...], model: str) -> Any:
    found: list[bytes] = []
    for one in parts:
        found += elements(one, model)
    array = np.empty(len(found), object)
    array[:] = found
    return array.reshape(shape)


def datatype_of(array: Any) -> str:
    """Raises Unfit."""
    dtype = array.dtype
    if found := NAMES.get(dtype.char) or _OF_SIZE.get((dtype.kind, dtype.itemsize)):
        return found
    if dtype.name == "bfloat16":
        return "BF16"
    raise Unfit(f"the model returned an array of {dtype}, which no datatype of the protocol stands for")


def as_array(value: Any, name: str) -> Any:
    """What a model returned for one output, as an array. Raises Unfit."""
    if type(value) is np.ndarray:
        return value
    if hasattr(value, "detach"):  # a tensor of torch
        value = value.detach().cpu()
    if isinstance(value, (bytes, str)):
        value = [value]
    if isinstance(value, (list, tuple)) and any(isinstance(one, bytes) for one in value):
        array = np.empty(len(value), object)  # as a bytes array they would lose the zeros at their ends
        array[:] = value
        return array
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise Unfit(f"output '{name}' cannot be made an array: {error}") from None


def column_of(name: str, array: Any, declared: str | None) -> Column:
    """Raises Unfit when the array cannot be what was declared."""
    datatype = PLAIN.get(array.dtype)
    if datatype is not None and (declared is None or declared == datatype):
        return Column(name, datatype, array.ravel())
    datatype = datatype_of(array)
    if declared is not None and declared != datatype:
        array = _cast(name, array, datatype, declared)
        datatype = declared
    if datatype == "BYTES":
        return Column(name, datatype, [one if type(one) is bytes else as_bytes(one) for one in array.ravel().tolist()])
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    flat = np.ascontiguousarray(array).reshape(-1)
    return Bf16Column(name, datatype, flat.astype("f4")) if datatype == "BF16" else Column(name, datatype, flat)


def _cast(name: str, array: Any, datatype: str, declared: str) -> Any:
    if declared == "BYTES" or datatype == "BYTES" or not np.can_cast(array.dtype, DTYPES[declared], "same_kind"):
        raise Unfit(f"output '{name}' is {datatype}, and the model declares it as {declared}")
    with np.errstate(over="ignore"):
        return array.astype(DTYPES[declared])


class Bf16Column(Column):
    """Its values are float32; numpy alone knows no other way to hold them."""

    __slots__ = ()

    def raw(self, start: int, stop: int) -> bytes | memoryview:
        if self._raw is None:
            self._raw = memoryview(_bf16(self.values))
        return self._raw[start * 2 : stop * 2]
