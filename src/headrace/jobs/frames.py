"""How inputs and results lie in a chunk's or a segment's row: MessagePack lists, decoded into the domain's objects."""

from collections.abc import Sequence

import msgspec

from headrace.domain.body import BlobRef
from headrace.domain.job import JobInput
from headrace.domain.result import InputResult

_encoder = msgspec.msgpack.Encoder()
_inputs = msgspec.msgpack.Decoder(list[JobInput])
_results = msgspec.msgpack.Decoder(list[InputResult])
_names = msgspec.msgpack.Decoder(list[str])


def pack_inputs(inputs: Sequence[JobInput]) -> bytes:
    return _encoder.encode(inputs)


def unpack_inputs(payload: bytes) -> list[JobInput]:
    return _inputs.decode(payload)


def pack_names(inputs: Sequence[JobInput]) -> bytes:
    return _encoder.encode([one.name for one in inputs])


def unpack_names(payload: bytes) -> list[str]:
    return _names.decode(payload)


def pack_results(results: Sequence[InputResult]) -> bytes:
    return _encoder.encode(results)


def unpack_results(body: bytes) -> list[InputResult]:
    return _results.decode(body)


def input_digests(inputs: Sequence[JobInput]) -> set[str]:
    return {body.digest for one in inputs for body in one.bodies.values() if isinstance(body, BlobRef)}


def output_digests(results: Sequence[InputResult]) -> set[str]:
    return {
        output.body.digest for one in results for output in one.outputs.values() if isinstance(output.body, BlobRef)
    }
