"""ModelInferRequest and ModelInferResponse by hand, against the bytes that the definition asks for."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rooms.harness.asking import facts, field, floats, proto, proto_input, varint, view

from headrace.runners.harness.protobuf import Broken, fields
from headrace.runners.harness.tensors import Column, Output, Refused, Reply, Request, Spec
from headrace.runners.harness.v2_proto import ProtoForm

NONE = facts()


def decode(message: memoryview, known=NONE) -> Request:
    request = ProtoForm(known).decode(message, {})
    known.check(request)
    return request


def test_raw_contents() -> None:
    request = decode(proto(("a", "FP32", [1, 2], floats(1, 2)), ("b", "BYTES", [0], b""), one_id="7"))

    first, second = request.inputs
    assert ("7", "simple", "a", "FP32", (1, 2)) == (request.id, request.model, first.name, first.datatype, first.shape)
    assert floats(1, 2) == bytes(first.data)
    assert b"" == bytes(second.data)


TYPED = [
    ("BOOL", field(1, b"\x01\x00"), [True, False]),
    ("BOOL", field(1, 1) + field(1, 0), [True, False]),
    ("INT8", field(2, varint((1 << 64) - 1) + b"\x05"), [-1, 5]),
    ("INT32", field(2, (1 << 64) - 7) + field(2, b"\x07"), [-7, 7]),
    ("INT64", field(3, varint(1 << 63) + b"\x01"), [-(1 << 63), 1]),
    ("UINT16", field(4, b"\x03\x04"), [3, 4]),
    ("UINT64", field(5, varint((1 << 64) - 1) + b"\x00"), [(1 << 64) - 1, 0]),
    ("FP32", field(6, floats(1.5, 2)), [1.5, 2.0]),
    ("FP64", field(7, struct.pack("<2d", 0.1, 2)), [0.1, 2.0]),
    ("BYTES", field(8, b"\xff") + field(8, b""), [b"\xff", b""]),
]


@pytest.mark.parametrize(("datatype", "contents", "values"), TYPED)
def test_typed_contents(datatype: str, contents: bytes, values: list[object]) -> None:
    assert values == decode(view(proto_input("a", datatype, [2], contents))).inputs[0].data


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (b"\xff", "the message is not a ModelInferRequest"),
        (b"", "has no inputs"),
        (proto_input("a", "X", [1]), "invalid datatype for input a"),
        (proto_input("a", "FP32", [-1]), "negative dimension"),
        (
            proto_input("a", "FP32", [1], field(6, floats(1))) + field(7, floats(1)),
            "contents field must not be specified when using raw_input_contents for 'a' for model 'simple'",
        ),
        (
            proto_input("a", "FP32", [1]) + proto_input("b", "FP32", [1]) + field(7, floats(1)),
            "unable to find data for input tensor 'b' for model 'simple' in request.",
        ),
        (proto_input("a", "FP32", [1]) + field(7, floats(1)) * 2, "2 raw_input_contents for 1 inputs"),
        (
            proto_input("a", "FP32", [4]) + field(7, floats(1)),
            "input byte size mismatch for input 'a' for model 'simple'. Expected 16, got 4",
        ),
        (
            proto_input("a", "INT32", [1], field(6, floats(1))),
            "explicit tensor data for input tensor 'a' for model 'simple' of type 'FP32', expected datatype 'INT32'",
        ),
        (proto_input("a", "FP32", [1]) * 2 + field(7, floats(1)) * 2, "input 'a' already exists in request"),
        (proto_input("a", "FP32", [1]), "unable to find data for input tensor 'a' for model 'simple' in request."),
        (
            proto_input("a", "FP32", [2, 2], field(6, floats(1, 2, 3))),
            "input 'a' for model 'simple' has 3 values in its contents, but 4 by its shape",
        ),
        (
            proto_input("a", "BYTES", [1], field(8, b"x") + field(8, b"y")),
            "input 'a' for model 'simple' has 2 values in its contents, but 1 by its shape",
        ),
        (
            proto_input("a", "FP32", [0]) + field(4, field(1, "u") + field(2, b"")),
            "invalid value type for 'u' parameter, expected int64_param, bool_param, or string_param.",
        ),
        (proto_input("a", "FP32", [0]) + field(4, field(1, "triton_x") + field(2, field(1, 1))), "reserved for Triton"),
    ],
)
def test_what_is_refused(message: bytes, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        decode(view(message))


def test_parameters_of_every_kind() -> None:
    kinds = {
        "b": field(1, 1), "i": field(2, (1 << 64) - 3), "s": field(3, "x"), "e": field(3, ""),
        "d": b"\x21" + struct.pack("<d", 0.5), "u": field(5, (1 << 64) - 1),
    }  # fmt: skip
    entries = b"".join(field(4, field(1, name) + field(2, value)) for name, value in kinds.items())

    request = decode(proto(("a", "FP32", [0], b""), more=entries))

    assert {"b": True, "i": -3, "s": "x", "e": "", "d": 0.5, "u": (1 << 64) - 1} == request.parameters


def test_outputs_that_are_asked_for() -> None:
    wanted = field(6, field(1, "y") + field(2, field(1, "classification") + field(2, field(2, 3))))

    [one] = decode(proto(("a", "FP32", [0], b""), more=wanted)).outputs or ()

    assert ("y", 3) == (one.name, one.classes)


@given(st.lists(st.binary(max_size=40), max_size=5), st.text(max_size=20))
def test_an_answer_has_raw_contents(elements: list[bytes], one_id: str) -> None:
    request = Request(one_id, [])
    output = Output(Column("s", "BYTES", elements), (len(elements),))

    message, _ = ProtoForm(NONE).encode(Reply(request, [output]), {})

    found = list(fields(view(message)))
    assert [1, 2, 3, 5, 6] == [number for number, _ in found]
    assert request.id.encode(errors="replace") == found[2][1]
    packed = b"".join(struct.pack("<I", len(one)) + one for one in elements)
    assert packed == found[4][1]


def test_typed_contents_for_those_who_ask() -> None:
    wish = field(4, field(1, "typed_contents") + field(2, field(1, 1)))
    request = decode(proto(("a", "FP32", [0], b""), more=wish))

    message, _ = ProtoForm(NONE).encode(Reply(request, [Output(Column("s", "BYTES", [b"x"]), (1,))]), {})

    assert field(5, field(1, "s") + field(2, "BYTES") + field(3, b"\x01") + field(5, field(8, b"x"))) in message


def test_the_same_description_again_has_other_data() -> None:
    form = ProtoForm(facts(Spec("a", "FP32", (1,))))

    one = form.decode(proto(("a", "FP32", [1], floats(1))), {})
    two = form.decode(proto(("a", "FP32", [1], floats(2))), {})

    assert [floats(1), floats(2)] == [bytes(one.inputs[0].data), bytes(two.inputs[0].data)]


@pytest.mark.parametrize(
    "message", [b"\x0a", b"\x0a\x05ab", b"\x08", b"\x0d\0", b"\x09\0", b"\x0b", b"\x08" + b"\xff" * 10]
)
def test_bytes_that_are_no_message(message: bytes) -> None:
    with pytest.raises(Broken):
        list(fields(memoryview(message)))
