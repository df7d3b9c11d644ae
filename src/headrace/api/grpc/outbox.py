"""What goes out on a connection: within the windows that the peer opens, and no faster than it reads.

Answers that are ready in one turn of the loop leave in one write, as far as other calls of the connection are open:
a write costs as much as all else that is done for a small answer.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sized
from struct import Struct

from headrace.api.grpc import http2
from headrace.api.grpc.headers import OK, RESPONSE
from headrace.api.grpc.http2 import ConnectionFault, ErrorCode, StreamFault
from headrace.api.grpc.packing import PREFIX_SIZE
from headrace.api.grpc.stream import Stream

TURN = 256 * 1024  # bytes that one stream sends before the next one's turn
COPIED = 64 * 1024  # bytes of a message that is copied together with its prefix
HIGH_WATER = 1 << 20  # bytes in the transport's buffer before we stop writing
MOST_UNREAD = 2 << 20  # bytes that we write after that, because we have to, to a peer that does not read

Later = Callable[[Callable[[], None]], None]

# A small answer: HEADERS, the head of DATA and the prefix of the message; the message; HEADERS that end the stream.
_ANSWER = Struct(f">5sL{len(RESPONSE)}sHBBBLBL")
_HEADERS = http2.head(len(RESPONSE), http2.HEADERS, http2.END_HEADERS, 0)[:5]  # as far as the number of the stream
_END = Struct(f">5sL{len(OK)}s")
_TRAILERS = http2.head(len(OK), http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, 0)[:5]


class Outbox:
    """`sent` is told of streams whose last frame went out later than it was given; `later` acts at the end of a turn.

    `calls`: those that are open.
    """

    def __init__(
        self, transport: asyncio.Transport, sent: Callable[[Stream], None], later: Later, calls: Sized
    ) -> None:
        self._transport, self._sent, self._later, self._calls = transport, sent, later, calls
        self.peer = transport.get_extra_info("peername")
        self.moved = 0  # bytes of DATA so far: does the peer read?
        self._window = self.initial = http2.FIRST_WINDOW  # of the connection; of a new stream
        self._largest = http2.SMALLEST_FRAME
        self._paused = self._lost = False
        self._unread = 0  # bytes written since the peer reads no more
        self._gathered: list[bytes] = []  # small answers of this turn
        self._waiting: dict[int, Stream] = {}
        transport.set_write_buffer_limits(high=HIGH_WATER)

    @property
    def stuck(self) -> bool:
        """Something would go out if the peer read."""
        return self._paused or bool(self._waiting)

    def write(self, frame: bytes) -> None:
        """Not under flow control. Behind what was given before. Who makes us write and does not read is cut off."""
        if self._gathered:
            self._flush()
        if self._paused:
            self._unread += len(frame)
            if self._unread > MOST_UNREAD and not self._lost:
                self.lost()
                self._transport.abort()
        if not self._lost:
            self._transport.write(frame)

    def close(self) -> None:
        """Once all has gone out. Where nothing can, whoever found that out closes."""
        if not self._lost:
            self._flush()
            self._transport.close()

    def lost(self) -> None:
        """Nothing goes out any more."""
        self._gathered.clear()
        self._lost = self._paused = True

    def answer(self, stream: Stream, message: bytes) -> bool:
        """The whole of a small answer, and the end of its stream. False when it has to go bit by bit: see `whole`."""
        length = len(message)
        size = length + PREFIX_SIZE
        if size > stream.window or size > self._window or size > self._largest or self._paused or stream.begun:
            return False
        self._window -= size
        number = stream.number
        start = _ANSWER.pack(
            _HEADERS, number, RESPONSE, size >> 8, size & 0xFF, http2.DATA, 0, number, 0, length
        )  # fmt: skip
        gathered = self._gathered
        gathered += (start, message, _END.pack(_TRAILERS, number, OK))
        if len(self._calls) <= 1:  # this one: nothing else can come
            self._flush()
        elif len(gathered) == 3:  # noqa: PLR2004 - parts of the first answer
            self._later(self._flush)
        return True

    def _flush(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, []
            self._transport.write(b"".join(gathered))

    def whole(self, stream: Stream, first: bytes, message: tuple[bytes, bytes], last: bytes) -> None:
        """Headers, one message behind its prefix, and trailers."""
        size = len(message[0]) + len(message[1])
        if size <= min(stream.window, self._window, self._largest) and not self._paused and not stream.queue:
            stream.window -= size
            self._window -= size
            data = http2.head(size, http2.DATA, 0, stream.number)
            self.write(b"".join((first, data, *message, last)))
            return
        if self._lost:
            return
        self._gathered.append(first)
        stream.last = last
        self.data(stream, message)

    def data(self, stream: Stream, message: tuple[bytes, bytes]) -> None:
        queue = stream.queue
        if queue is None:
            queue = stream.queue = deque()
        for part in message if len(message[1]) > COPIED else (b"".join(message),):
            queue.append(memoryview(part))
            stream.queued += len(part)
        self._pump({stream.number: stream})

    def end(self, stream: Stream, last: bytes) -> None:
        """`last` goes out after everything that is queued."""
        if stream.queue:
            stream.last = last
        else:
            self.write(last)

    def forget(self, stream: Stream) -> None:
        self._waiting.pop(stream.number, None)
        stream.queue = stream.last = None
        stream.queued = 0

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        if not self._lost:
            self._paused, self._unread = False, 0
            self._pump(self._waiting)

    def widen(self, stream: Stream | None, increment: int) -> None:
        """A WINDOW_UPDATE. Raises ConnectionFault, StreamFault."""
        if stream is None:
            self._window += increment
            if self._window > http2.HIGHEST:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the window of the connection is too large")
            if self._waiting:
                self._pump(self._waiting)
            return
        stream.window += increment
        if stream.window > http2.HIGHEST:
            raise StreamFault(stream.number, ErrorCode.FLOW_CONTROL_ERROR, "the window of a stream is too large")
        if stream.queue:
            self._pump({stream.number: stream})

    def set_initial(self, value: int, streams: list[Stream]) -> None:
        """The peer's INITIAL_WINDOW_SIZE also moves the windows that are open (RFC 9113, 6.9.2)."""
        if value > http2.HIGHEST:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE is too large")
        change, self.initial = value - self.initial, value
        for stream in streams:
            stream.window += change
            if stream.window > http2.HIGHEST:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "INITIAL_WINDOW_SIZE makes a window too large")
        self._pump(self._waiting)

    def set_largest(self, value: int) -> None:
        if not http2.SMALLEST_FRAME <= value <= http2.LARGEST_FRAME:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"MAX_FRAME_SIZE {value} is out of its range")
        self._largest = value

    def _pump(self, streams: dict[int, Stream]) -> None:
        """Sends in turns what the windows allow, and remembers who has to wait."""
        going = [stream for stream in streams.values() if stream.queue]
        while going:
            going = [stream for stream in going if self._turn(stream, stream.queue)]
        self._flush()

    def _turn(self, stream: Stream, queue: deque[memoryview] | None) -> bool:
        """False when the stream has nothing more to send now."""
        left = 0 if self._paused else min(TURN, stream.window, self._window)
        blocked = left < TURN
        frames: list[bytes | memoryview] = [*self._gathered]
        self._gathered.clear()
        while queue and left > 0:
            left -= self._frame(stream, queue, min(left, self._largest), frames)
        if not queue and stream.last is not None:
            frames.append(stream.last)
        if frames:
            self._transport.writelines(frames)
        if queue:
            if blocked:
                self._waiting[stream.number] = stream
            return not blocked
        self._waiting.pop(stream.number, None)
        if stream.last is not None:
            stream.last = None
            self._sent(stream)
        if stream.drained is not None:
            stream.drained.set()
        return False

    def _frame(self, stream: Stream, queue: deque[memoryview], allowed: int, frames: list[bytes | memoryview]) -> int:
        """Adds one with the next bytes."""
        piece = queue[0]
        if len(piece) > allowed:
            piece, queue[0] = piece[:allowed], piece[allowed:]
        else:
            queue.popleft()
        size = len(piece)
        stream.window -= size
        self._window -= size
        stream.queued -= size
        self.moved += size
        frames += (http2.head(size, http2.DATA, 0, stream.number), piece)
        return size
