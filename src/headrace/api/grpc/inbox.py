"""The messages of a call, put together from the payload of its DATA frames."""

from collections import deque
from collections.abc import Callable

from headrace.api.grpc import http2
from headrace.api.grpc.packing import PREFIX, PREFIX_SIZE
from headrace.api.grpc.status import Code, Status
from headrace.domain.body import Slot

SMALL = 4096  # bytes: smaller pieces are copied together, so that a drip does not cost more memory than it brings
CHUNK = 256 * 1024
WHOLE = 64 * 1024  # bytes of a message that is taken as it is when it comes in one piece; larger ones may have a place

Piece = bytes | memoryview
Message = tuple[bool, bytes | Slot]  # is it packed, and its bytes
Place = Callable[[bytes, int], Slot | None]  # where a message lies that begins so, and has so many bytes


class Inbox:
    """Pieces that it is given may change once it has returned: what it keeps, it copies."""

    def __init__(self, limit: int, place: Place | None = None) -> None:
        self._limit, self._place = limit, place  # bytes of one message
        self.messages: deque[Message] = deque()
        self.waiting = 0  # bytes of `messages`
        self._first = b""  # of a prefix that is not whole
        self._packed = False
        self._length = -1  # of the message that comes; -1: its prefix comes first
        self._have = 0
        self._pieces: list[bytes | bytearray] = []
        self._slot: Slot | None = None  # instead of pieces

    @property
    def between(self) -> bool:
        """No message is half read."""
        return self._length < 0 and not self._first

    @property
    def missing(self) -> int:
        """Bytes of the message that comes, which are not here yet; 0 when it is not known how many."""
        return max(0, self._length - self._have)

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.waiting + (self._have if self._length >= 0 else 0)

    @property
    def placed(self) -> bool:
        """The message that comes has its place: so its caller may ask what it asks."""
        return self._slot is not None

    def open(self) -> Message:
        """The next message, as its sender wrote it."""
        packed, message = self.messages.popleft()
        self.waiting -= len(message)
        return packed, message

    def take(self, piece: Piece) -> None:
        """Raises Status when a message is over the limit."""
        if self._length < 0 and not self._first and len(piece) >= PREFIX_SIZE:
            flag, length = PREFIX.unpack_from(piece)
            if length == len(piece) - PREFIX_SIZE <= WHOLE and length <= self._limit and flag <= 1:
                self._whole(bool(flag), bytes(piece[PREFIX_SIZE:]))
                return
        while piece:
            piece = self._begin(piece) if self._length < 0 else self._go_on(piece)

    def gather(self, data: memoryview, at: int, number: int, most: int) -> int:
        """Whole DATA frames of stream `number` in the middle of a large message that has its place; where they end.

        At most `most` bytes of payload. What is not as simple as that is left.
        """
        if self._slot is None:
            return at
        view, size, have = self._slot.view, len(data), self._have
        end = have + min(most, self._length - have - 1)  # the end of a message is no middle
        before, length = None, 0
        while size - at >= http2.HEAD_SIZE:
            head, begin = http2.HEAD.unpack_from(data, at), at + http2.HEAD_SIZE
            if head != before:  # most frames of a message are of one length
                before, length = head, head[0] << 8 | head[1]
                if head[2:] != (http2.DATA, 0, number) or length < SMALL:
                    break
            after = have + length
            if after > end or begin + length > size:
                break
            at = begin + length
            view[have:after] = data[begin:at]
            have = after
        self._have = have
        return at

    def _begin(self, piece: Piece) -> Piece:
        used = PREFIX_SIZE - len(self._first)
        self._first += piece[:used]
        if len(self._first) < PREFIX_SIZE:
            return b""
        flag, self._length = PREFIX.unpack(self._first)
        self._first, self._have = b"", 0
        if flag > 1:
            raise Status(Code.INTERNAL, f"a message begins with {flag}, which is neither 0 nor 1")
        self._packed = bool(flag)
        if self._length > self._limit:
            raise Status(
                Code.RESOURCE_EXHAUSTED, f"Received message larger than max ({self._length} vs. {self._limit} bytes)"
            )
        if self._place is not None and not flag and not self.messages:
            self._slot = self._place(bytes(piece[used : used + SMALL]), self._length)
        return piece[used:] if self._length else self._finish(piece[used:])

    def _go_on(self, piece: Piece) -> Piece:
        need = self._length - self._have
        if len(piece) < need:
            self._keep(piece)
            return b""
        self._keep(piece[:need])
        return self._finish(piece[need:])

    def _keep(self, piece: Piece) -> None:
        begin = self._have
        self._have += len(piece)
        last = self._pieces[-1] if self._pieces else None
        if self._slot is not None:
            self._slot.view[begin : self._have] = piece
        elif len(piece) >= SMALL:
            self._pieces.append(bytes(piece))
        elif isinstance(last, bytearray) and len(last) < CHUNK:
            last += piece
        else:
            self._pieces.append(bytearray(piece))

    def _finish(self, rest: Piece) -> Piece:
        if self._slot is not None:
            message: bytes | Slot = self._slot
        else:
            message = bytes(self._pieces[0]) if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._slot, self._length = [], None, -1
        self._whole(self._packed, message)
        return rest

    def _whole(self, packed: bool, message: bytes | Slot) -> None:
        self.messages.append((packed, message))
        self.waiting += len(message)
