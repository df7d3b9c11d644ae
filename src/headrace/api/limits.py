"""What a body may cost: its size is checked before and while it is read, and it must not come too slowly."""

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from headrace.api.bodies import Room
from headrace.api.errors import Problem
from headrace.domain.errors import Invalid, TooLarge

LINGER, LINGER_BYTES = 5.0, 32 << 20  # seconds, bytes that are read of a body after it was refused
SLOWEST = 1024  # bytes a second, after the first deadline: a body that drips holds a connection for nothing


async def body_pieces(
    request: Request, at_most: int, deadline: float, setting: str = "", *, packed: bool = False
) -> AsyncIterator[bytes]:
    """Raises TooLarge, Problem 408 after `deadline` seconds without a byte, Problem 415 for a packed body.

    With `packed` the pieces may be packed: the caller unpacks them. `setting`: which says how much is allowed.
    """
    _check_head(request, at_most, setting, packed=packed)
    started, size = time.monotonic(), 0
    stream = request.stream()
    while True:
        piece = await _next(stream, deadline)
        if piece is None:
            return
        size += len(piece)
        if size > at_most:
            raise TooLarge(_too_large(at_most, setting))
        if time.monotonic() - started > deadline + size / SLOWEST:
            raise _too_slow(deadline)
        if piece:
            yield piece


async def whole_body(
    request: Request, room: Room, at_most: int, deadline: float, setting: str = "", *, packed: bool = False
) -> bytes:
    """In `room`. As `body_pieces`; also raises Unavailable when all requests together have too much."""
    pieces = []
    async for piece in body_pieces(request, at_most, deadline, setting, packed=packed):
        room.grow(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


async def drained(request: Request) -> bool:
    """Reads on after a refusal, so that a client who sends first and listens then gets to hear it; but not for ever."""
    if "expect" in request.headers:
        return False
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER):
            async for piece in request.stream():
                left -= len(piece)
                if left < 0:
                    return False
    except (TimeoutError, ClientDisconnect):
        return False
    except RuntimeError:  # Starlette's word for a body that was read to its end
        return True
    return True


async def _next(stream: AsyncIterator[bytes], deadline: float) -> bytes | None:
    try:
        async with asyncio.timeout(deadline):
            return await anext(stream, None)
    except TimeoutError:
        raise _too_slow(deadline) from None


def _check_head(request: Request, at_most: int, setting: str, *, packed: bool) -> None:
    coding = request.headers.get("content-encoding", "identity").lower()
    if coding not in ("", "identity") and not packed:
        raise Problem(415, f"a body with Content-Encoding {coding!r} is not read here: send it unpacked")
    length = request.headers.get("content-length")
    if length is None:
        return
    if not (length.isascii() and length.isdigit()):
        raise Invalid("Content-Length should be a whole number")
    if int(length) > at_most:
        raise TooLarge(_too_large(at_most, setting))


def _too_large(at_most: int, setting: str) -> str:
    return f"the body is larger than the {at_most} bytes allowed here" + (f" ({setting})" if setting else "")


def _too_slow(deadline: float) -> Problem:
    return Problem(408, f"the body came too slowly: nothing for {deadline:g} seconds", {"Connection": "close"})
