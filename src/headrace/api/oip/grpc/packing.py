"""Messages on the wire: five bytes before each, and gzip or deflate inside when both sides agreed."""

import asyncio
import zlib
from struct import Struct

from headrace.api.oip.grpc.status import Code, Status

PREFIX = Struct(">BL")
PREFIX_SIZE = 5
ENCODINGS = ("gzip", "deflate")
LARGE = 64 * 1024  # bytes that are packed beside the loop, in a thread

_WINDOW = {"gzip": 31, "deflate": 15}  # zlib's wbits


async def unpacked(message: bytes, encoding: str, at_most: int) -> bytes:
    """Raises Status: an encoding that we do not read, broken bytes, more than `at_most` bytes."""
    if encoding not in _WINDOW:
        raise Status(
            Code.UNIMPLEMENTED, f"grpc-encoding {encoding[:40]!r} is not read here: use identity, gzip, deflate"
        )
    if len(message) > LARGE:
        return await asyncio.to_thread(_unpack, message, encoding, at_most)
    return _unpack(message, encoding, at_most)


async def packed(message: bytes, encoding: str) -> bytes:
    if len(message) > LARGE:
        return await asyncio.to_thread(_pack, message, encoding)
    return _pack(message, encoding)


def _unpack(message: bytes, encoding: str, at_most: int) -> bytes:
    try:
        stream = zlib.decompressobj(_WINDOW[encoding])
        found = stream.decompress(message, at_most + 1)
        if stream.unconsumed_tail or len(found) > at_most:
            raise Status(Code.RESOURCE_EXHAUSTED, f"Received message larger than max ({at_most} bytes once unpacked)")
        if not stream.eof:
            raise Status(Code.INTERNAL, f"the {encoding} message ends too early")
    except zlib.error as error:
        raise Status(Code.INTERNAL, f"the message cannot be unpacked as {encoding}: {error}") from None
    return found


def _pack(message: bytes, encoding: str) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, _WINDOW[encoding])
    return packer.compress(message) + packer.flush()
