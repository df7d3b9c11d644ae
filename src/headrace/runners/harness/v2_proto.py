"""ModelInferRequest and ModelInferResponse on the wire, by hand: no model has to bring protobuf.

Field numbers: ModelInferRequest model_name 1, model_version 2, id 3, parameters 4, inputs 5 (name 1, datatype 2,
shape 3, parameters 4, contents 5), outputs 6 (name 1, parameters 2), raw_input_contents 7; ModelInferResponse the same
with outputs 5 and raw_output_contents 6; InferParameter bool 1, int64 2, string 3, double 4, uint64 5;
InferTensorContents bool 1, int 2, int64 3, uint 4, uint64 5, fp32 6, fp64 7, bytes 8.
"""

# ruff: noqa: PLR2004 - the numbers are those of the fields above

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.protobuf import (
    Broken,
    delimited,
    fields,
    packed,
    packed_fixed,
    signed,
    text,
    text_field,
    varint,
)
from headrace.runners.harness.tensors import (
    DATATYPES,
    UNSUPPORTED,
    Input,
    Output,
    Refused,
    Reply,
    Request,
    Wanted,
    count_of,
    once,
)
from headrace.runners.harness.words import Plain, ProtoWords, Words

LARGEST_KEPT, MOST_KEPT = 512, 512  # bytes of a part of a message, and how many of them are remembered
SIGN_32 = 1 << 31
NO_DATA = "unable to find data for input tensor '{}' for model '{}' in request."
# field of InferTensorContents → the kind that it stands for in sentences
KINDS = {1: "BOOL", 2: "INT32", 3: "INT64", 4: "UINT32", 5: "UINT64", 6: "FP32", 7: "FP64", 8: "BYTES"}
FIELDS = {
    "BOOL": 1, "INT8": 2, "INT16": 2, "INT32": 2, "INT64": 3, "UINT8": 4, "UINT16": 4, "UINT32": 4, "UINT64": 5,
    "FP32": 6, "FP64": 7, "BYTES": 8,
}  # fmt: skip
FIXED = {6: ("f", 4), 7: ("d", 8)}


class ProtoForm:
    """Remembers the descriptions of tensors, in and out: clients repeat them."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._inputs: dict[bytes, Input] = {}
        self._wanted: dict[bytes, Wanted] = {}
        self._starts: dict[tuple[str, str, tuple[int, ...]], bytes] = {}
        self._names: dict[str, bytes] = {}
        self._fields: dict[tuple[str, str, tuple[int, ...]], tuple[bytes, bytes]] = {}
        self.words = ProtoWords()

    def decode(self, body: memoryview, meta: Mapping[str, str]) -> Request:
        """Raises Refused."""
        known = self.words.find(body)
        if known is not None:
            return known[0].again(body[known[1] :], meta.get("id", ""))
        try:
            return self._decoded(body, meta)
        except Broken as error:
            raise Refused(f"the message is not a ModelInferRequest: {error}") from None

    def _decoded(self, body: memoryview, meta: Mapping[str, str]) -> Request:  # noqa: C901 - a branch for each field
        one_id, name, inputs, raw, number = "", "", [], [], 0
        wanted: list[Wanted] = []
        parameters: dict[str, Any] = {}
        for number, value in fields(body):
            if number == 7:
                raw.append(_message(value))
            elif number == 5:
                inputs.append(self._input(_message(value)))
            elif number == 6:
                wanted.append(self._output(_message(value)))
            elif number == 1:
                name = text(value)
            elif number == 3:
                one_id = text(value)
            elif number == 4:
                _entry(parameters, _message(value))
        self._check(inputs, wanted, raw)
        for one, data in zip(inputs, raw, strict=False):
            one.data = data
        request = Request(one_id or meta.get("id", ""), inputs, tuple(wanted) or None)
        request.model = name
        if parameters:
            _reserved(request, parameters)
        if number == 7 and len(raw) == 1 and not one_id:
            self.words.keep(body, request)
        return request

    def _check(self, inputs: list[Input], wanted: list[Wanted], raw: list[memoryview]) -> None:
        model = self._facts.name
        if not inputs:
            raise Refused(f"the request for model '{model}' has no inputs")
        once("input", [one.name for one in inputs])
        once("output", [one.name for one in wanted])
        for one in inputs:
            if (one.data is not None) and raw:
                raise Refused(
                    f"contents field must not be specified when using raw_input_contents for '{one.name}' for model "
                    f"'{model}'"
                )
        _check_counts(inputs, raw, self._facts)

    def _input(self, message: memoryview) -> Input:
        if len(message) > LARGEST_KEPT:
            return _parse_input(message, self._facts.name)
        key = bytes(message)
        known = self._inputs.get(key)
        if known is None:
            known = _parse_input(message, self._facts.name)
            if known.data is None:
                if len(self._inputs) >= MOST_KEPT:
                    self._inputs.clear()
                self._inputs[key] = known
        return Input(known.name, known.datatype, known.shape, known.data, known.parameters)

    def _output(self, message: memoryview) -> Wanted:
        key = bytes(message[: LARGEST_KEPT + 1])
        known = self._wanted.get(key)
        if known is None:
            known = _parse_output(message)
            if len(self._wanted) >= MOST_KEPT:
                self._wanted.clear()
            if len(key) <= LARGEST_KEPT:
                self._wanted[key] = known
        return known

    def encode(self, reply: Reply, meta: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
        request = reply.request
        start = self._named(request.model or meta.get("model") or self._facts.name)
        parts: list[bytes | memoryview] = [start, text_field(3, request.id)]
        if reply.parameters:
            parts += [_parameter(4, key, value) for key, value in reply.parameters.items()]
        tails: list[bytes | memoryview] = []
        for output in reply.outputs:
            described = self._described(output)
            if request.typed and output.column.datatype in FIELDS:
                contents = _contents(output)
                described += delimited(5, len(contents)) + contents
            else:
                raw = output.raw
                tails.append(delimited(6, len(raw)))
                tails.append(raw)
            parts.append(delimited(5, len(described)))
            parts.append(described)
        return b"".join(parts + tails), {}

    def plain(self, words: Words, meta: Mapping[str, str], outputs: list[Plain]) -> tuple[bytes, dict[str, str]]:
        """The same as `encode` makes of arrays that are just what was declared. `meta` names the request."""
        parts = [self._named(words.first.model or meta.get("model") or self._facts.name), text_field(3, meta["id"])]
        tails = []
        for name, datatype, array in outputs:
            key = (name, datatype, array.shape)
            found = self._fields.get(key)
            if found is None:
                found = self._field(key, array.nbytes)
            parts.append(found[0])
            tails.append(found[1])
            tails.append(array.tobytes())
        return b"".join(parts + tails), {}

    def _field(self, key: tuple[str, str, tuple[int, ...]], size: int) -> tuple[bytes, bytes]:
        """The whole field of an output, and the beginning of that with its bytes."""
        described = self._start(key)
        if len(self._fields) >= MOST_KEPT:
            self._fields.clear()
        found = self._fields[key] = (delimited(5, len(described)) + described, delimited(6, size))
        return found

    def _named(self, name: str) -> bytes:
        start = self._names.get(name)
        if start is None:
            start = text_field(1, name) + text_field(2, self._facts.version)
            if len(self._names) < MOST_KEPT and len(name) <= LARGEST_KEPT:
                self._names[name] = start
        return start

    def _described(self, output: Output) -> bytes:
        column = output.column
        start = self._start((column.name, column.datatype, output.shape))
        if output.parameters:
            start += b"".join(_parameter(4, key, value) for key, value in output.parameters.items())
        return start

    def _start(self, key: tuple[str, str, tuple[int, ...]]) -> bytes:
        start = self._starts.get(key)
        if start is None:
            name, datatype, dimensions = key
            shape = b"".join(map(varint, dimensions))
            start = text_field(1, name) + text_field(2, datatype) + delimited(3, len(shape)) + shape
            if len(self._starts) >= MOST_KEPT:
                self._starts.clear()
            self._starts[key] = start
        return start


def _check_counts(inputs: list[Input], raw: list[memoryview], facts: Facts) -> None:
    model = facts.name
    if len(raw) > len(inputs):
        raise Refused(f"{len(raw)} raw_input_contents for {len(inputs)} inputs of model '{model}'")
    if raw and len(raw) < len(inputs):
        name = inputs[len(raw)].name
        raise Refused(NO_DATA.format(name, model))
    if not raw:
        for one in inputs:
            _check_typed(one, model, loose=facts.loose and one.datatype == "BYTES")


def _check_typed(one: Input, model: str, *, loose: bool) -> None:
    """Without contents it is empty, as its shape has to say. `loose`: it may say something else: see loose.py."""
    count = count_of(one.name, one.shape)
    if one.data is None:
        one.data = []
        if count:
            raise Refused(NO_DATA.format(one.name, model))
    have = len(one.data)
    if have != count and not loose:
        raise Refused(
            f"input '{one.name}' for model '{model}' has {have} values in its contents, but {count} by its shape"
        )


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise Broken("a number where a message should be")
    return value


def _parse_input(message: memoryview, model: str) -> Input:  # noqa: C901 - a branch for each field
    name, datatype, data, shape = "", "", None, []
    parameters: dict[str, Any] = {}
    contents: list[memoryview] = []
    for number, value in fields(message):
        if number == 1:
            name = text(value)
        elif number == 2:
            datatype = text(value)
        elif number == 3:
            shape += [signed(value)] if isinstance(value, int) else [signed(one) for one in packed(value)]
        elif number == 4:
            _entry(parameters, _message(value))
        elif number == 5:
            contents.append(_message(value))
    if datatype not in DATATYPES:
        raise Refused(f"invalid datatype for input {name}")
    if any(dimension < 0 for dimension in shape):
        raise Refused(f"shape of input '{name}' has a negative dimension")
    if "shared_memory_region" in parameters:
        raise Refused("Client shared memory is disabled.", UNSUPPORTED)
    if contents:
        data = _typed(name, datatype, contents, model)
    return Input(name, datatype, tuple(shape), data, parameters or None)


def _typed(name: str, datatype: str, contents: list[memoryview], model: str) -> list[Any]:
    wanted, data = FIELDS.get(datatype, 0), []
    for message in contents:
        for number, value in fields(message):
            if number not in KINDS:
                continue
            if number != wanted:
                raise Refused(
                    f"unexpected explicit tensor data for input tensor '{name}' for model '{model}' of type "
                    f"'{KINDS[number]}', expected datatype '{datatype}'"
                )
            data += _values(number, value)
    return data


def _values(number: int, value: int | memoryview) -> list[Any]:
    if number == 8:
        return [bytes(_message(value))]
    if number in FIXED:
        code, size = FIXED[number]
        return packed_fixed(_message(value), code, size)
    numbers = [value] if isinstance(value, int) else packed(value)
    if number == 3:
        return [signed(one) for one in numbers]
    if number == 2:
        return [(one + SIGN_32) % (1 << 32) - SIGN_32 for one in numbers]
    if number == 4:
        return [one % (1 << 32) for one in numbers]
    return [bool(one) for one in numbers] if number == 1 else numbers


def _parse_output(message: memoryview) -> Wanted:
    name = ""
    parameters: dict[str, Any] = {}
    for number, value in fields(message):
        if number == 1:
            name = text(value)
        elif number == 2:
            _entry(parameters, _message(value))
    if "shared_memory_region" in parameters:
        raise Refused("Client shared memory is disabled.", UNSUPPORTED)
    classes = parameters.get("classification", 0)
    if type(classes) is not int or classes < 0:
        raise Refused(f"classification of output '{name}' should be a whole number from 1")
    return Wanted(name, binary=True, classes=classes, parameters=parameters or None)


def _entry(parameters: dict[str, Any], message: memoryview) -> None:
    key, found, value = "", False, None
    for number, inner in fields(message):
        if number == 1:
            key = text(inner)
        elif number == 2:
            for kind, one in fields(_message(inner)):
                value, found = _choice(kind, one), True
    if not found:
        raise Refused(f"invalid value type for '{key}' parameter, expected int64_param, bool_param, or string_param.")
    parameters[key] = value


def _choice(kind: int, value: int | memoryview) -> Any:
    if kind == 3:
        return text(value)
    if kind == 4:
        message = _message(value)
        if len(message) != 8:
            raise Broken("a double that has not 8 bytes")
        return struct.unpack("<d", message)[0]
    if not isinstance(value, int):
        raise Broken("a message where a number should be")
    return bool(value) if kind == 1 else signed(value) if kind == 2 else value


def _reserved(request: Request, parameters: dict[str, Any]) -> None:
    for key in parameters:
        if key.startswith("triton_") and key != "triton_enable_empty_final_response":
            raise Refused(
                "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified."
            )
    request.typed = parameters.pop("typed_contents", None) is True
    parameters.pop("triton_enable_empty_final_response", None)
    request.parameters = parameters or None


def _parameter(number: int, key: str, value: Any) -> bytes:
    if isinstance(value, bool):
        inner = b"\x08" + varint(int(value))
    elif isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        inner = b"\x10" + varint(value % (1 << 64))
    elif isinstance(value, float):
        inner = b"\x21" + struct.pack("<d", value)
    else:
        inner = text_field(3, str(value)) or b"\x1a\x00"
    entry = text_field(1, key) + delimited(2, len(inner)) + inner
    return delimited(number, len(entry)) + entry


def _contents(output: Output) -> bytes:
    number, values = FIELDS[output.column.datatype], output.flat
    if number == 8:
        return b"".join(delimited(8, len(one)) + one for one in values)
    if number in FIXED:
        data = struct.pack(f"<{len(values)}{FIXED[number][0]}", *values)
    else:
        data = b"".join(varint(int(one) % (1 << 64)) for one in values)
    return delimited(number, len(data)) + data
