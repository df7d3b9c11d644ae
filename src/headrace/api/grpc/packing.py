"""Messages on the wire: five bytes before each, and gzip or deflate inside when both sides agreed."""

import asyncio
import zlib
from collections.abc import Callable, Iterator
from struct import Struct

from headrace.api.grpc.status import Code, Status

PREFIX = Struct(">BL")
PREFIX_SIZE = 5
ENCODINGS = ("gzip", "deflate")
ACCEPTED = ("identity", *ENCODINGS)
LARGE = 64 * 1024  # bytes that are packed beside the loop, in a thread
SLICE, STEP = 256 * 1024, 1 << 20  # bytes of what is packed, and of what comes out, in one step

_WINDOW = {"gzip": 31, "deflate": 15}  # zlib's wbits


def unread(encoding: str) -> Status | None:
    """Why messages in this encoding are not read, if so. It says which ones are (gRPC's compression.md)."""
    if encoding in ACCEPTED:
        return None
    said = f"grpc-encoding {encoding[:40]!r} is not read here: use {', '.join(ACCEPTED)}"
    return Status(Code.UNIMPLEMENTED, said, ((b"grpc-accept-encoding", ",".join(ACCEPTED).encode()),))


async def unpacked(message: bytes, encoding: str, at_most: int, hold: Callable[[int], None]) -> bytes:
    """`hold` is asked for room as it grows.

    Raises Status: no encoding, broken bytes, more than `at_most` bytes; and what `hold` raises.
    """
    if encoding not in _WINDOW:
        raise Status(Code.INTERNAL, "a message is marked as compressed, but no grpc-encoding says how")
    steps = _steps(message, encoding)
    found: list[bytes] = []
    size, aside = 0, len(message) > LARGE
    while not found or len(found[-1]) == STEP:
        step = await asyncio.to_thread(next, steps) if aside else next(steps)
        size += len(step)
        if size > at_most:
            raise Status(Code.RESOURCE_EXHAUSTED, f"Received message larger than max ({at_most} bytes once unpacked)")
        hold(len(step))
        found.append(step)
        aside = True
    return b"".join(found)


async def packed(message: bytes, encoding: str) -> bytes:
    if len(message) > LARGE:
        return await asyncio.to_thread(_pack, message, encoding)
    return _pack(message, encoding)


def _steps(message: bytes, encoding: str) -> Iterator[bytes]:
    """What is in it, in pieces of STEP bytes; the last one has less. Raises Status: broken bytes."""
    stream, rest, step = zlib.decompressobj(_WINDOW[encoding]), memoryview(message), bytearray()
    given: bytes | memoryview = b""
    try:
        while not stream.eof:
            if not given:
                given, rest = rest[:SLICE], rest[SLICE:]
            found = stream.decompress(given, STEP - len(step))
            if not found and not given:
                raise Status(Code.INTERNAL, f"the {encoding} message ends too early")
            given = stream.unconsumed_tail
            step += found
            if len(step) == STEP:
                yield bytes(step)
                step.clear()
    except zlib.error as error:
        raise Status(Code.INTERNAL, f"the message cannot be unpacked as {encoding}: {error}") from None
    yield bytes(step)


def _pack(message: bytes, encoding: str) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, _WINDOW[encoding])
    return packer.compress(message) + packer.flush()
