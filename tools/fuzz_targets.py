"""Every reader of foreign bytes, for tools/fuzz.py: each takes bytes and raises nothing but its own refusals."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from headrace.api.grpc import http2
from headrace.api.grpc.headers import Blocks, Malformed, block
from headrace.api.grpc.http2 import ConnectionFault
from headrace.api.grpc.inbox import Inbox
from headrace.api.grpc.reader import Reader
from headrace.api.grpc.status import Status
from headrace.api.oip import generate, hints
from headrace.api.oip.grpc.scan import scan
from headrace.api.oip.proto.inference_pb2 import ModelInferRequest
from headrace.api.oip.shared_tensors import Sharing
from headrace.api.regions import Regions
from headrace.dialects.framing import ANSWERS, FAILED, READY, Garbage, parse_answers, parse_loaded
from headrace.domain.body import Slot
from headrace.domain.errors import Invalid, NotFound
from headrace.domain.tensor import TensorModel, TensorSpec
from headrace.runners.harness.files_form import FilesForm
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.tensors import Refused, Spec
from headrace.runners.harness.v2_json import JsonForm
from headrace.runners.harness.v2_proto import ProtoForm

LIMIT = 1 << 16  # bytes of a gRPC message


@dataclass(frozen=True)
class Target:
    read: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def targets() -> dict[str, Target]:
    found: dict[str, Target] = {}
    for make in (_v2, _front, _grpc, _ours):
        found |= make()
    return found


def _v2() -> dict[str, Target]:
    """The program beside the model: requests in their three forms."""

    class Said:
        platform, strict, rows, max_batch_size = "test", True, 0, 4
        streams, sequences, cached, loose, configuration = "", 0, False, False, ""
        outputs: tuple[Spec, ...] = ()
        inputs: tuple[Spec, ...] = (Spec("a", "FP32", (-1, 2)), Spec("b", "BYTES", (-1, 1)))

    facts = Facts("fuzzed", "1", Said())
    as_json, as_proto = JsonForm(facts), ProtoForm(facts)
    as_files = FilesForm(facts, as_json)

    def checked(decode: Callable[[], Any]) -> None:
        with suppress(Refused):
            facts.check(decode())

    def binary(data: bytes) -> None:
        length = int.from_bytes(data[:2], "little")
        checked(lambda: as_json.decode(memoryview(bytearray(data[2:])), {"json": str(length)}))

    two: list[dict[str, Any]] = [
        {"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [1, 2.5]},
        {"name": "b", "datatype": "BYTES", "shape": [1, 1], "data": ["x"]},
    ]
    plain = json.dumps({"id": "7", "inputs": two, "parameters": {"n": 1}, "outputs": [{"name": "y"}]}).encode()
    heads = [{**one, "parameters": {"binary_data_size": size}} for one, size in zip(two, (8, 5), strict=True)]
    for one in heads:
        del one["data"]
    head = json.dumps({"inputs": heads, "parameters": {"binary_data_output": True}}).encode()
    raw = bytes(8) + b"\1\0\0\0x"
    return {
        "json": Target(lambda data: checked(lambda: as_json.decode(memoryview(bytearray(data)), {})), (plain,)),
        "binary": Target(binary, (len(head).to_bytes(2, "little") + head + raw,)),
        "proto": Target(lambda data: checked(lambda: as_proto.decode(memoryview(bytearray(data)), {})), (_message(),)),
        "files": Target(lambda data: checked(lambda: as_files.decode({"a": data, "b": data}, {})), (b"[[1,2]]", plain)),
    }


def _message() -> bytes:

    request = ModelInferRequest(model_name="fuzzed", id="7", raw_input_contents=[bytes(8), b"\1\0\0\0x"])
    request.inputs.add(name="a", datatype="FP32", shape=[1, 2])
    request.inputs.add(name="b", datatype="BYTES", shape=[1, 1]).parameters["k"].string_param = "v"
    request.outputs.add(name="y")
    request.parameters["sequence_id"].int64_param = 7
    return request.SerializeToString()


def _front() -> dict[str, Target]:
    """What the doors read of a request before they pass it on."""
    tensors = TensorModel("test", (TensorSpec("text_input", "BYTES", (1,)),))
    sharing = Sharing(Regions("/none"), 1 << 20)

    def refusing(read: Callable[[bytes], Any]) -> Callable[[bytes], None]:
        def once(data: bytes) -> None:
            with suppress(Invalid, NotFound):
                read(data)

        return once

    said = {"inputs": [{"name": "a", "parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 4}}]}
    more = {"parameters": {"timeout": 1, "sequence_id": "a", "sequence_start": True}}
    return {
        "hints": Target(refusing(lambda data: hints.of_json(data, None, "")), (json.dumps(more).encode(),)),
        "generate": Target(refusing(lambda data: generate.request(data, tensors)), (b'{"text_input":"x","n":1}',)),
        "scan": Target(refusing(lambda data: hints.of_parameters(scan(data).parameters, "")), (_message(),)),
        "shared": Target(
            refusing(lambda data: _loop().run_until_complete(sharing.take("t", data, {}, lambda _: None))),
            (json.dumps(said).encode(),),
        ),
    }


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


class _Sink:
    """Takes frames, and puts messages together of their data."""

    def __init__(self) -> None:
        self._inbox = Inbox(LIMIT, lambda _beginning, size: Slot(memoryview(bytearray(size))) if size & 1 else None)

    def whole(self, _stream: int, _block: bytes, message: bytes, _widens: int) -> bool:
        return bool(len(message) & 1)

    def data_begins(self, _stream: int, _length: int) -> object:
        return self

    def data(self, _stream: object, piece: bytes | memoryview) -> None:
        with suppress(Status):
            self._inbox.take(piece)

    def more(self, _stream: object, data: memoryview, at: int) -> int:
        return self._inbox.gather(data, at, 1, LIMIT)

    def data_ends(self, _stream: object) -> None: ...

    def headers(self, _stream: int, _block: bytes, _ends: bool) -> None: ...

    def other(self, _kind: int, _flags: int, _stream: int, _payload: bytes) -> None: ...

    def fault(self, _fault: Exception) -> None: ...


def _grpc() -> dict[str, Target]:

    def frames(data: bytes) -> None:
        reader, cut = Reader(_Sink(), 1 << 20), len(data) // 2
        with suppress(ConnectionFault):
            for piece in (data[:cut], memoryview(data)[cut:]):
                reader.feed(piece)

    def headers(data: bytes) -> None:
        with suppress(Malformed, ConnectionFault):
            Blocks().decode(data)

    names = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", b"/t/Echo"),
        (b"content-type", b"application/grpc"),
    ]
    head = block([*names, (b"grpc-timeout", b"5S"), (b"authorization", b"ApiKey a.b"), (b"x-bin", b"AAAA")])
    start = http2.PREFACE + http2.settings({})
    call = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, head) + http2.frame(http2.DATA, 1, 1, bytes(9))
    pieces = (b"\0\0\0\0\x14" + bytes(9), bytes(6), bytes(5) + b"\0\0\0\0\x01")
    long = [http2.frame(http2.DATA, 0, 1, piece) for piece in pieces]
    seeds = (start + call, start + http2.window_update(0, 9) + http2.frame(http2.PING, 0, 0, bytes(8)))
    return {
        "http2": Target(frames, (*seeds, start + b"".join([call[: -9 - 9], *long]))),
        "hpack": Target(headers, (head,)),
    }


def _ours() -> dict[str, Target]:
    """Frames from a model, which may have written them itself."""

    def loaded(data: bytes) -> None:
        with suppress(Garbage):
            parse_loaded(data[0] if data else READY, data[1:])

    def answers(data: bytes) -> None:
        with suppress(Garbage):
            parse_answers(ANSWERS, data[2:], int.from_bytes(data[:2], "little"), 3)

    said = [[1, 2, 0.5, None, [["y", 4]], "model", {"id": "7"}, True], [1, 2, 0.5, "no", []]]
    ready = {"batch_size": 4, "inputs": ["a"], "tensors": {"platform": "p", "inputs": [["a", "FP32", [1]]]}}
    seeds = (bytes([READY]) + json.dumps(ready).encode(), bytes([FAILED]) + b'{"error":"no"}')
    return {
        "loaded": Target(loaded, seeds),
        "answers": Target(answers, (b"\4\0" + json.dumps(said).encode(),)),
    }
