"""Requests by gRPC for containers that read JSON: what they are told, and what is made of what they say."""

import json
import math
import struct
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from headrace.api.oip.proto.inference_pb2 import ModelInferRequest, ModelInferResponse
from headrace.dialects.forms import LARGE, aside
from headrace.domain.tensor import TensorModel, TensorSpec
from headrace.runners.harness.tensors import Refused
from headrace.runners.translate import AT_ONCE, TensorRequest, Way, declared

Tensor = tuple[str, Sequence[int], bytes]


PLAIN = Way(binary=False, base64=False)


def asked(*tensors: Tensor, way: Way = PLAIN) -> TensorRequest:
    message = ModelInferRequest(model_name="m", id="7")
    for number, (datatype, shape, raw) in enumerate(tensors):
        message.inputs.add(name=f"IN{number}", datatype=datatype, shape=shape)
        message.raw_input_contents.append(raw)
    specs = tuple(TensorSpec(f"IN{number}", one[0], (-1,) * len(one[1])) for number, one in enumerate(tensors))
    facts = declared("m", "1", TensorModel("container", specs, (TensorSpec("OUT", "FP32", (-1,)),)))
    return TensorRequest("v2-grpc", {"": message.SerializeToString()}, {}, facts, way)


def inputs_of(request: TensorRequest) -> list[Mapping[str, Any]]:
    assert request.json == -1
    said = json.loads(request.body)
    assert {"id", "inputs"} == set(said)
    return said["inputs"]


def packed(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(one)) + one for one in elements)


@pytest.mark.parametrize("count", [0, 1, AT_ONCE, 2 * AT_ONCE + 1])
def test_numbers_are_written_in_parts_as_they_are(count: int) -> None:
    halves, wide = [number / 8 for number in range(count)], [number - (1 << 40) for number in range(count)]
    request = asked(
        ("FP32", [count], struct.pack(f"<{count}f", *halves)), ("INT64", [count], struct.pack(f"<{count}q", *wide))
    )
    first, second = inputs_of(request)
    assert {"name": "IN0", "shape": [count], "datatype": "FP32", "data": halves} == first
    assert {"name": "IN1", "shape": [count], "datatype": "INT64", "data": wide} == second


def test_infinities_have_their_words_and_truths_are_truths() -> None:
    odd = struct.pack("<3f", math.nan, math.inf, -math.inf)
    first, second = inputs_of(asked(("FP32", [3], odd), ("BOOL", [2, 1], b"\x01\x00")))
    assert ["nan", "inf", "-inf"] == [str(one) for one in first["data"]]
    assert [True, False] == second["data"]


@pytest.mark.parametrize(
    ("base64", "elements", "told"),
    [
        (False, [b"text", "größer\u2028".encode()], {"data": ["text", "größer\u2028"]}),
        (False, [b"text", b"\xff"], {"data": ["dGV4dA==", "/w=="], "parameters": {"content_type": "base64"}}),
        (True, [b"text"], {"data": ["dGV4dA=="]}),
        (False, [b"a"] * (AT_ONCE + 1), {"data": ["a"] * (AT_ONCE + 1)}),
    ],
)
def test_bytes_are_text_where_they_can_be(base64: bool, elements: list[bytes], told: dict[str, Any]) -> None:
    [found] = inputs_of(asked(("BYTES", [len(elements)], packed(*elements)), way=Way(binary=False, base64=base64)))
    assert {"name": "IN0", "shape": [len(elements)], "datatype": "BYTES", **told} == found


def test_binary_tensors_stand_behind_the_json() -> None:
    raw = struct.pack("<2f", 1, 2)
    request = asked(("FP32", [2], raw), ("BOOL", [1], b"\x01"), way=Way(binary=True, base64=False))
    said = json.loads(request.body[: request.json])
    assert raw + b"\x01" == request.body[request.json :]
    assert [8, 1] == [one["parameters"]["binary_data_size"] for one in said["inputs"]]
    assert {"binary_data_output": True} == said["parameters"]


@pytest.mark.parametrize("data", ["[1.5, NaN]", "[1.5, 2]"])
def test_the_answer_is_read_as_python_writes_it(data: str) -> None:
    said = f'{{"outputs": [{{"name": "OUT", "datatype": "FP32", "shape": [2], "data": {data}}}]}}'
    bodies, _ = asked(("FP32", [1], bytes(4))).answer(said.encode(), -1)
    answer = ModelInferResponse.FromString(bodies[""])
    assert struct.unpack("<2f", answer.raw_output_contents[0])[0] == 1.5


@pytest.mark.parametrize(
    "said", [b"", b"[", b'{"outputs": 3}', b"\xff", b"[" * 100_000, b'{"outputs": [{"name": "OUT"}]}']
)
def test_an_answer_that_is_none_is_the_models_fault(said: bytes) -> None:
    with pytest.raises(Refused) as refused:
        asked(("FP32", [1], bytes(4))).answer(said, -1)
    assert refused.value.kind == "model"


async def test_what_is_large_is_translated_beside_the_loop() -> None:
    assert threading.get_ident() == await aside(threading.get_ident, LARGE)
    assert threading.get_ident() != await aside(threading.get_ident, LARGE + 1)
