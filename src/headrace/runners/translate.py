"""Requests of the Open Inference Protocol for containers that do not read them, by the harness' readers and writers.

The same code as beside a model folder, so a container says the same about the same mistake. Here it runs in the server,
for large bodies in a thread beside its loop: so no single call may take long, for the loop stands still meanwhile.
"""

import array
import base64
import json
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from headrace.domain.tensor import TensorModel
from headrace.runners.harness.bytes_desk import FilesAsBytes
from headrace.runners.harness.file_rows import outputs_of, rows_of
from headrace.runners.harness.files_form import FilesForm
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.tensors import (
    DATATYPES,
    LARGEST,
    MOST_DIMENSIONS,
    Column,
    Input,
    Output,
    Refused,
    Reply,
    Spec,
    flatten,
    pack_bytes,
    texts,
    unpack_bytes,
)
from headrace.runners.harness.v2_json import JsonForm
from headrace.runners.harness.v2_proto import ProtoForm

LONGEST_NAME = 255  # characters of an output
MOST_OUTPUTS = 1_000
AT_ONCE = 16_384  # elements that are written in one call
ODD = "the model's answer is not one of the protocol"
_GRPC = "v2-grpc"


class FilesRequest:
    """Read by a model of files."""

    def __init__(self, form: str, body: bytes, meta: Mapping[str, str], facts: Facts) -> None:
        """Raises Refused."""
        self._form: JsonForm | ProtoForm = ProtoForm(facts) if form == _GRPC else JsonForm(facts)
        self._facts, self._meta = facts, meta
        self._request = self._form.decode(memoryview(body), meta)
        facts.check(self._request)
        self.rows = rows_of(self._request, facts.name)

    def answer(self, results: Sequence[Mapping[str, bytes]]) -> tuple[bytes, Mapping[str, str]]:
        """Body and meta. Raises Refused."""
        outputs = outputs_of(self._facts, self._request, results)
        return self._form.encode(Reply(self._request, outputs), self._meta)


@dataclass(frozen=True, slots=True)
class Way:
    """How the model takes bytes that are no text."""

    binary: bool
    base64: bool


class TensorRequest:
    """For a model that reads the protocol's JSON, with or without binary tensors behind it."""

    def __init__(self, form: str, bodies: Mapping[str, bytes], meta: Mapping[str, str], facts: Facts, way: Way) -> None:
        """Raises Refused."""
        self._meta, self._way, self._form = meta, way, form
        as_json = JsonForm(facts)
        self._files, self._proto = FilesForm(facts, as_json), ProtoForm(facts)
        if form == _GRPC:
            self._request = self._proto.decode(memoryview(bodies[""]), meta)
        else:
            self._request = self._files.decode(bodies, meta)
        facts.check(self._request)
        self.body, self.json = self._written()

    def _written(self) -> tuple[bytes, int]:
        """The body, and how many bytes of it are JSON: -1 when all are."""
        tails: list[bytes] = []
        said: dict[str, Any] = {"id": self._request.id}
        if self._request.outputs is not None:
            said["outputs"] = [{"name": one.name} for one in self._request.outputs]
        parameters = dict(self._request.parameters or {})
        if self._way.binary:
            parameters["binary_data_output"] = True
        if parameters:
            said["parameters"] = parameters
        parts = [_open(said), b'"inputs": [']
        for number, one in enumerate(self._request.inputs):
            parts += [b", " if number else b"", *self._input(one, tails)]
        parts.append(b"]}")
        length = sum(map(len, parts)) if tails or self._way.binary else -1
        return b"".join(parts + tails), length

    def _input(self, one: Input, tails: list[bytes]) -> list[bytes]:
        """In pieces, which are large together."""
        entry: dict[str, Any] = {"name": one.name, "shape": list(one.shape), "datatype": one.datatype}
        if self._way.binary:
            raw = _raw(one)
            tails.append(raw)
            entry["parameters"] = {**(one.parameters or {}), "binary_data_size": len(raw)}
            return [json.dumps(entry).encode()]
        if one.datatype == "BYTES":
            values, more = _strings(_elements(one), always=self._way.base64)
            return [_open(entry | more), *_data(_parted(values))]
        return [_open(entry), *_data(_numbers(one))]

    def answer(self, body: bytes, length: int) -> tuple[Mapping[str, bytes], Mapping[str, str]]:
        """Named bodies and meta. Raises Refused."""
        outputs = [self._output(entry, raw) for entry, raw in _taken_apart(body, length)]
        reply = Reply(self._request, outputs)
        if self._form == _GRPC:
            encoded, meta = self._proto.encode(reply, self._meta)
            return {"": encoded}, meta
        return dict(self._files.encode(reply)), {}

    def _output(self, entry: Mapping[str, Any], raw: bytes | None) -> Output:
        name, datatype, shape = entry.get("name"), entry.get("datatype"), _shape_of(entry.get("shape"))
        if not isinstance(name, str) or len(name) > LONGEST_NAME or datatype not in DATATYPES or shape is None:
            raise Refused(f"{ODD}: an output has no name, datatype or shape", "model")
        count = math.prod(shape)
        values: Any
        if raw is None:
            values = flatten(entry["data"]) if isinstance(entry.get("data"), list) else None
            if values is not None and datatype == "BYTES":
                as_base64 = self._way.base64 or (entry.get("parameters") or {}).get("content_type") == "base64"
                values = _bytes(name, values, as_base64=as_base64)
            elif values is not None:
                values = Numbers(datatype, values)
        elif datatype == "BYTES":
            values = unpack_bytes(name, "", memoryview(raw), count)
        else:
            values = Numbers.read(datatype, raw)
        if values is None or len(values) != count:
            raise Refused(f"{ODD}: output {name[:80]!r} has not the {count} elements of its shape", "model")
        return Output(Column(name, datatype, values), shape)


class Numbers:
    """The elements of a tensor, as arrays of the harness look to its writers."""

    def __init__(self, datatype: str, values: list[Any]) -> None:
        self._datatype, self._values = datatype, values

    @classmethod
    def read(cls, datatype: str, raw: bytes) -> "Numbers":
        size, code, _ = DATATYPES[datatype]
        if len(raw) % size:
            raise Refused(f"{ODD}: a tensor of {datatype} has {len(raw)} bytes", "model")
        if datatype == "FP16":
            return cls(datatype, list(struct.unpack(f"<{len(raw) // 2}e", raw)))
        if datatype == "BF16":
            wide = b"".join(b"\0\0" + raw[start : start + 2] for start in range(0, len(raw), 2))
            return cls(datatype, list(struct.unpack(f"<{len(raw) // 2}f", wide)))
        found = array.array(code)
        found.frombytes(raw)
        return cls(datatype, found.tolist())

    def __len__(self) -> int:
        return len(self._values)

    def tolist(self) -> list[Any]:
        return self._values

    def tobytes(self) -> bytes:
        try:
            if self._datatype == "FP16":
                return struct.pack(f"<{len(self._values)}e", *self._values)
            if self._datatype == "BF16":
                wide = struct.pack(f"<{len(self._values)}f", *self._values)
                return b"".join(wide[start + 2 : start + 4] for start in range(0, len(wide), 4))
            return array.array(DATATYPES[self._datatype][1], self._values).tobytes()
        except (TypeError, ValueError, OverflowError, struct.error):
            raise Refused(f"{ODD}: a value is not of type {self._datatype}", "model") from None


class _Declared:
    """What a container says of its tensors, as the harness wants it said."""

    strict, loose, rows, max_batch_size, streams, sequences, cached = True, False, 0, 0, "", 0, False
    configuration = ""

    def __init__(self, tensors: TensorModel) -> None:
        self.platform = tensors.platform
        self.inputs = tuple(Spec(one.name, one.datatype, one.shape) for one in tensors.inputs)
        self.outputs = tuple(Spec(one.name, one.datatype, one.shape) for one in tensors.outputs)


def declared(name: str, version: str, tensors: TensorModel) -> Facts:
    return Facts(name, version, _Declared(tensors))


def files(name: str, version: str, inputs: Sequence[str]) -> Facts:
    return Facts(name, version, FilesAsBytes(inputs))


def _raw(one: Input) -> bytes:
    if isinstance(one.data, memoryview):
        return bytes(one.data)
    values = flatten(one.data)
    return pack_bytes(values) if one.datatype == "BYTES" else Numbers(one.datatype, values).tobytes()


def _elements(one: Input) -> list[bytes]:
    if isinstance(one.data, memoryview):
        return unpack_bytes(one.name, "", one.data, math.prod(one.shape))
    return texts(one.name, flatten(one.data))


def _numbers(one: Input) -> Iterator[list[Any]]:
    """In parts."""
    if not isinstance(one.data, memoryview):
        yield from _parted(flatten(one.data))
        return
    step = AT_ONCE * DATATYPES[one.datatype][0]
    for start in range(0, len(one.data), step):
        yield Numbers.read(one.datatype, bytes(one.data[start : start + step])).tolist()


def _parted(values: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]


def _data(parts: Iterable[list[Any]]) -> Iterator[bytes]:
    """And the end of the object that it belongs to."""
    yield b'"data": ['
    for number, part in enumerate(parts):
        yield b", " if number else b""
        yield _json(part)[1:-1]
    yield b"]}"


def _json(values: list[Any]) -> bytes:
    """Infinities, and what is no number, are left to the slower writer: it knows a word for them."""
    try:
        if math.isfinite(sum(values)):
            return msgspec.json.encode(values)
    except (TypeError, OverflowError):
        pass
    return json.dumps(values).encode()


def _open(said: Mapping[str, Any]) -> bytes:
    """The beginning of a JSON object in which `said`, which is not empty, is followed by more."""
    return json.dumps(said).encode()[:-1] + b", "


def _strings(values: list[bytes], *, always: bool) -> tuple[list[str], dict[str, Any]]:
    """As text where all of it is text; as base64 where the model wants that, or must be told."""
    if not always:
        try:
            return [value.decode() for value in values], {}
        except UnicodeDecodeError:
            pass
    encoded = [base64.b64encode(value).decode() for value in values]
    return encoded, {} if always else {"parameters": {"content_type": "base64"}}


def _bytes(name: str, values: list[Any], *, as_base64: bool) -> list[bytes]:
    encoded = texts(name, values)
    if not as_base64:
        return encoded
    try:
        return [base64.b64decode(value, validate=True) for value in encoded]
    except ValueError:
        return encoded


def _taken_apart(body: bytes, length: int) -> list[tuple[Mapping[str, Any], bytes | None]]:
    """Each output, with its binary tensor where it has one. Raises Refused."""
    end = len(body) if length < 0 else length
    try:
        return list(_outputs(_parsed(memoryview(body)[:end]), body, end))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Refused(ODD, "model") from None


def _parsed(text: memoryview) -> Any:
    """What the strict and quick reader does not take, such as NaN, the other one may."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(bytes(text))


def _outputs(said: Any, body: bytes, end: int) -> Iterator[tuple[Mapping[str, Any], bytes | None]]:
    listed = said["outputs"]
    if not isinstance(listed, list) or len(listed) > MOST_OUTPUTS or not all(isinstance(one, dict) for one in listed):
        raise TypeError("no list of outputs")
    for one in listed:
        size = (one.get("parameters") or {}).get("binary_data_size")
        raw = None
        if isinstance(size, int):
            raw, end = body[end : end + size], end + size
            if len(raw) != size:
                raise ValueError("its end is missing")
        yield one, raw


def _shape_of(said: Any) -> tuple[int, ...] | None:
    """None where it is none. One number is a shape too: chassis' server writes it so."""
    listed = [said] if type(said) is int else said
    if not isinstance(listed, list) or len(listed) > MOST_DIMENSIONS:
        return None
    return tuple(listed) if all(type(one) is int and 0 <= one < LARGEST for one in listed) else None
