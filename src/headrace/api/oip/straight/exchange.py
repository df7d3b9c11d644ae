"""One inference request on its way in: its head, and its body as far as it is here. Pure of sockets."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

from headrace.api.bodies import Room

PIECES = 1024  # small pieces are joined when there are so many: a body may come byte by byte


class Exchange:
    """What uvicorn calls a cycle, as far as uvicorn's own code looks at one (the first five attributes)."""

    __slots__ = (
        "_blocks",
        "_tail",
        "arrived",
        "complete",
        "disconnected",
        "error",
        "expects",
        "headers",
        "keep_alive",
        "name",
        "path",
        "read_rest",
        "refused",
        "response_complete",
        "room",
        "size",
        "started",
        "turn",
        "version",
        "waiter",
    )
    message_event: ClassVar[asyncio.Event] = asyncio.Event()  # nobody waits for it

    def __init__(
        self,
        target: tuple[str, str | None],
        headers: Mapping[bytes, bytes],
        arrived: float,
        read_rest: "Callable[[Exchange], Awaitable[None]]",
        room: Room,
    ) -> None:
        self.response_complete = self.disconnected = False
        self.keep_alive = True
        self.path = ""  # as it came, for the access log
        self.name, self.version = target
        self.headers, self.arrived, self.read_rest, self.room = headers, arrived, read_rest, room
        self.expects = False  # it waits for 100 Continue
        self.complete = False  # the body is here
        self.turn = False  # all requests before it on this connection are answered
        self.started = False
        self.refused: Exception | None = None  # before anybody asks who it is
        self.error: Exception | None = None  # in its body
        self.waiter: asyncio.Future[None] | None = None
        self.size = 0
        self._blocks: list[bytes] = []
        self._tail: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self._tail.append(piece)
        if len(self._tail) >= PIECES:
            self._blocks.append(b"".join(self._tail))
            self._tail.clear()

    async def body(self) -> bytes:
        """The whole of it. Raises what is wrong with it, ClientDisconnect when the rest never comes."""
        if not self.complete and self.error is None:
            await self.read_rest(self)
        if self.error is not None:
            raise self.error
        pieces = self._blocks + self._tail
        self.drop()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def drop(self) -> None:
        """Nobody will ask for the body any more."""
        self._blocks, self._tail = [], []

    def end(self) -> None:
        """The last byte of the body is here."""
        self.complete = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """The body is not what it should be, or will never be complete."""
        if self.error is None and not self.complete:
            self.error = error
            self._wake()

    def _wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)
