"""Messages on the wire: five bytes before each, and gzip or deflate inside when both sides agreed."""

import asyncio
import zlib
from collections.abc import Callable, Iterator
from struct import Struct

from headrace.api.oip.grpc.status import Code, Status

PREFIX = Struct(">BL")
PREFIX_SIZE = 5
ENCODINGS = ("gzip", "deflate")
LARGE = 64 * 1024  # bytes that are packed beside the loop, in a thread
SLICE, STEP = 256 * 1024, 1 << 20  # bytes of what is packed, and of what comes out, in one step

_WINDOW = {"gzip": 31, "deflate": 15}  # zlib's wbits


async def unpacked(message: bytes, encoding: str, at_most: int, hold: Callable[[int], None]) -> bytes:
    """`hold` is asked for room as it grows.

    Raises Status: an encoding that we do not read, broken bytes, more than `at_most` bytes; and what `hold` raises.
    """
    if encoding not in _WINDOW:
        raise Status(
            Code.UNIMPLEMENTED, f"grpc-encoding {encoding[:40]!r} is not read here: use identity, gzip, deflate"
        )
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
