"""One call on a connection: its headers, its messages as they come in, and what still has to go out."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from headrace.api.oip.grpc.calls import CallOff
from headrace.api.oip.grpc.headers import Head
from headrace.api.oip.grpc.packing import PREFIX, PREFIX_SIZE
from headrace.api.oip.grpc.status import Code, Status

SMALL = 4096  # bytes: smaller pieces are copied together, so that a drip does not cost more memory than it brings
CHUNK = 256 * 1024

Message = tuple[bool, bytes]  # is it packed, and its bytes


@dataclass(slots=True, eq=False)
class Stream:
    number: Final[int]
    head: Final[Head]
    limit: Final[int]  # bytes of one message
    window: int  # bytes that we may still send

    task: asyncio.Task[None] | None = None
    call_off: CallOff | None = None  # of a call that runs without a task
    asking: asyncio.Task[None] | None = None  # for the caller's key, before the call can start
    timer: asyncio.TimerHandle | None = None
    incoming: asyncio.Event | None = None  # set whenever something came: for those who read message by message
    drained: asyncio.Event | None = None  # set when everything has gone out: for those who write message by message

    admitted: bool = False  # the caller was asked for a key: we read on beyond the first window
    taken: int = 0  # bytes received for which the stream's window was not opened again
    kept: int = 0  # bytes received for which the connection's was not
    reserved: int = 0  # bytes of large messages that the desk counts
    room: int = 0  # bytes that the peer may still send
    began: float = field(default_factory=monotonic)
    touched: float = 0.0  # when the last piece came
    peer_done: bool = False  # it has sent everything
    done: bool = False  # we have sent everything, or nobody wants it any more

    begun: bool = False  # our headers have gone out
    queue: deque[memoryview] = field(default_factory=deque)
    queued: int = 0
    last: bytes | None = None  # the frame that ends the stream, once the queue is empty

    messages: deque[Message] = field(default_factory=deque)
    waiting: int = 0  # bytes of `messages`
    failure: Status | None = None  # why nothing more is read

    _first: bytes = b""  # of a prefix that is not whole
    _packed: bool = False
    _length: int = -1  # of the message that comes; -1: its prefix comes first
    _have: int = 0
    _pieces: list[bytes | bytearray] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        """Somebody works on it, or something has to go out."""
        return self.task is not None or self.call_off is not None or self.asking is not None or bool(self.queue)

    @property
    def waits_for_peer(self) -> bool:
        """A message is late. Between two messages a client may take its time, where there may be more than one."""
        return not (self.done or self.peer_done or (self.incoming is not None and self.between))

    @property
    def between(self) -> bool:
        """No message is half read."""
        return self._length < 0 and not self._first

    def take(self, piece: bytes) -> None:
        """Raises Status when a message is over the limit."""
        if self._length < 0 and not self._first and len(piece) >= PREFIX_SIZE:
            flag, length = PREFIX.unpack_from(piece)
            if length == len(piece) - PREFIX_SIZE and length <= self.limit and flag <= 1:
                self._whole(bool(flag), piece[PREFIX_SIZE:])
                return
        while piece:
            piece = self._begin(piece) if self._length < 0 else self._go_on(piece)

    def _begin(self, piece: bytes) -> bytes:
        used = PREFIX_SIZE - len(self._first)
        self._first += piece[:used]
        if len(self._first) < PREFIX_SIZE:
            return b""
        flag, self._length = PREFIX.unpack(self._first)
        self._first, self._have = b"", 0
        if flag > 1:
            raise Status(Code.INTERNAL, f"a message begins with {flag}, which is neither 0 nor 1")
        self._packed = bool(flag)
        if self._length > self.limit:
            raise Status(
                Code.RESOURCE_EXHAUSTED, f"Received message larger than max ({self._length} vs. {self.limit} bytes)"
            )
        return piece[used:] if self._length else self._finish(piece[used:])

    def _go_on(self, piece: bytes) -> bytes:
        need = self._length - self._have
        if len(piece) < need:
            self._keep(piece)
            return b""
        self._keep(piece[:need])
        return self._finish(piece[need:])

    def _keep(self, piece: bytes) -> None:
        self._have += len(piece)
        last = self._pieces[-1] if self._pieces else None
        if len(piece) >= SMALL:
            self._pieces.append(piece)
        elif isinstance(last, bytearray) and len(last) < CHUNK:
            last += piece
        else:
            self._pieces.append(bytearray(piece))

    def _finish(self, rest: bytes) -> bytes:
        message = bytes(self._pieces[0]) if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._length = [], -1
        self._whole(self._packed, message)
        return rest

    def _whole(self, packed: bool, message: bytes) -> None:
        self.messages.append((packed, message))
        self.waiting += len(message)
