"""Packed bodies (contracts/oip.md, A21): gzip and deflate, in when they come, out only when they were asked for.

Never brotli: tritonclient's asyncio client announces it and cannot read it.
"""

import asyncio
import zlib

from headrace.api.errors import Problem
from headrace.domain.errors import Invalid, TooLarge

WORTH_IT = 512  # bytes; smaller answers are sent as they are, whatever was asked for
AT_ONCE = 4096  # bytes that are unpacked in the loop; deflate packs zeros about 1000 to 1
PACKED_AT_ONCE = 32768  # bytes that are packed in the loop
LEVEL = 1  # tensors hardly get smaller with more work

_BITS = {"gzip": 31, "deflate": 15}  # zlib's window, with gzip's or zlib's own head


async def unpacked(body: bytes, coding: str, at_most: int) -> bytes:
    """Raises Problem 501 for another coding, Invalid for broken data, TooLarge beyond `at_most` bytes."""
    name = coding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in _BITS:
        raise Problem(501, "Unsupported compression type", {"Accept-Encoding": "gzip, deflate"})
    if len(body) <= AT_ONCE:
        return _unpack(body, name, at_most)
    return await asyncio.to_thread(_unpack, body, name, at_most)


def chosen(accept_encoding: str) -> str | None:
    """The coding that the client likes best among identity, gzip and deflate, the first named of equals.

    None: as it is. A star chooses nothing.
    """
    best, best_quality = "identity", 0.0
    for part in accept_encoding.lower().split(","):
        name, _, parameters = part.partition(";")
        name = name.strip()
        if (name in _BITS or name == "identity") and (quality := _quality(parameters)) > best_quality:
            best, best_quality = name, quality
    return None if best == "identity" else best


async def packed(body: bytes, coding: str) -> bytes:
    if len(body) <= PACKED_AT_ONCE:
        return _pack(body, coding)
    return await asyncio.to_thread(_pack, body, coding)


def _unpack(body: bytes, name: str, at_most: int) -> bytes:
    machine = zlib.decompressobj(_BITS[name])
    try:
        found = machine.decompress(body, at_most + 1)
    except zlib.error as error:
        raise Invalid(f"the body is not {name}, as its Content-Encoding says: {error}") from None
    if len(found) > at_most:
        raise TooLarge(f"the body is larger than {at_most} bytes once it is unpacked (oip.body_limit)")
    if not machine.eof:
        raise Invalid(f"the body is not {name}, as its Content-Encoding says: it ends too early")
    return found


def _pack(body: bytes, coding: str) -> bytes:
    machine = zlib.compressobj(LEVEL, zlib.DEFLATED, _BITS[coding])
    return machine.compress(body) + machine.flush()


def _quality(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
