"""Packed bodies (contracts/oip.md, A21): gzip and deflate, in when they come, out only when they were asked for.

Out also by zstd, where the extra `containers` has brought its library. Never brotli: tritonclient's asyncio client
announces whatever aiohttp could read (brotli, and zstd in newer ones), and reads only gzip and deflate itself.
"""

import asyncio
import importlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from headrace.api.errors import Problem
from headrace.domain.errors import Invalid, TooLarge

WORTH_IT = 512  # bytes; smaller answers are sent as they are, whatever was asked for
AT_ONCE = 4096  # bytes that are unpacked in the loop; deflate packs zeros about 1000 to 1
PACKED_AT_ONCE = 32768  # bytes that are packed in the loop
LEVEL = 1  # tensors hardly get smaller with more work

ZSTD = "zstd"

MEMBERS = 4096  # of one gzip body
STEP = 1 << 20  # bytes that are unpacked at once
PIECE = 65536  # bytes that zlib is given at once: it copies what stands behind a member's end

_BITS = {"gzip": 31, "deflate": 15}  # zlib's window, with gzip's or zlib's own head
_SAME = {"x-gzip": "gzip"}  # RFC 9110, 8.4.1.3
_ANNOUNCERS = (b"aiohttp", b"triton")  # in the names of clients that may not mean what their headers list


def _installed() -> Any:
    """None where it is not."""
    try:
        return importlib.import_module("zstandard")
    except ImportError:
        return None


_zstandard = _installed()
_OUT = frozenset({*_BITS, "identity"}) | ({ZSTD} if _zstandard is not None else set())


async def unpacked(body: bytes, coding: str, at_most: int, hold: Callable[[int], None]) -> bytes:
    """`hold` is asked for room as it grows.

    Raises Problem 501 for another coding, Invalid for broken data, TooLarge beyond `at_most` bytes; what `hold` raises.
    """
    name = coding.strip().lower()
    name = _SAME.get(name, name)
    if name in ("", "identity"):
        return body
    if name not in _BITS:
        raise Problem(501, "Unsupported compression type", {"Accept-Encoding": "gzip, deflate"})
    steps, found, size = _steps(body, name), list[bytes](), 0
    aside = len(body) > AT_ONCE
    while (step := await asyncio.to_thread(next, steps, None) if aside else next(steps, None)) is not None:
        size += len(step)
        if size > at_most:
            raise TooLarge(f"the body is larger than {at_most} bytes once it is unpacked (oip.body_limit)")
        hold(len(step))
        found.append(step)
    return found[0] if len(found) == 1 else b"".join(found)


def wanted(headers: Mapping[bytes, bytes]) -> str | None:
    """What these headers choose, whose names are in lower case."""
    accepted = headers.get(b"accept-encoding")
    if accepted is None:
        return None
    agent = headers.get(b"user-agent", b"").lower()
    return chosen(accepted.decode("latin-1"), zstd=not any(name in agent for name in _ANNOUNCERS))


def chosen(accept_encoding: str, *, zstd: bool = True) -> str | None:
    """The coding that the client likes best among identity, gzip, deflate and zstd, the first named of equals.

    None: as it is. A star chooses nothing. `zstd`: whether it can be meant.
    """
    best, best_quality = "identity", 0.0
    for part in accept_encoding.lower().split(","):
        name, _, parameters = part.partition(";")
        name = name.strip()
        if name in _OUT and (zstd or name != ZSTD) and (quality := _quality(parameters)) > best_quality:
            best, best_quality = name, quality
    return None if best == "identity" else best


async def packed(body: bytes, coding: str) -> bytes:
    if len(body) <= PACKED_AT_ONCE:
        return _pack(body, coding)
    return await asyncio.to_thread(_pack, body, coding)


def _steps(body: bytes, name: str) -> Iterator[bytes]:
    """What is in it, in pieces of STEP bytes; the last one has less. Raises Invalid.

    A gzip body may be several members, one behind the other (RFC 1952).
    """
    machine, members, start = zlib.decompressobj(_BITS[name]), 1, 0
    view, step = memoryview(body), bytearray()
    given: bytes | memoryview = b""
    while given or start < len(view):
        if machine.eof:
            machine, members = zlib.decompressobj(_BITS[name]), members + 1
            if name != "gzip" or members > MEMBERS:
                raise _broken(name, "something follows its end")
        if not given:
            given = view[start : start + PIECE]
            start += len(given)
        step += _decompressed(machine, given, STEP - len(step), name)
        start -= len(machine.unused_data)
        given = b"" if machine.eof else machine.unconsumed_tail
        if len(step) == STEP:
            yield bytes(step)
            step.clear()
    # what the machine still holds back where the last step was full: then there is nothing in `step`
    while not machine.eof and (found := _decompressed(machine, b"", STEP, name)):
        yield found
    if not machine.eof:
        raise _broken(name, "it ends too early")
    yield bytes(step)


def _decompressed(machine: Any, given: bytes | memoryview, at_most: int, name: str) -> bytes:
    """Raises Invalid."""
    try:
        found: bytes = machine.decompress(given, at_most)
    except zlib.error as error:
        raise _broken(name, str(error)) from None
    return found


def _broken(name: str, why: str) -> Invalid:
    return Invalid(f"the body is not {name}, as its Content-Encoding says: {why}")


def _pack(body: bytes, coding: str) -> bytes:
    if coding == ZSTD:
        packed: bytes = _zstandard.ZstdCompressor(level=LEVEL).compress(body)
        return packed
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
