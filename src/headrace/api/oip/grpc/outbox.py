"""What goes out on a connection: within the windows that the peer opens, and no faster than it reads."""

import asyncio
from collections.abc import Callable

from headrace.api.oip.grpc import http2
from headrace.api.oip.grpc.http2 import ConnectionFault, ErrorCode, StreamFault
from headrace.api.oip.grpc.stream import Stream

TURN = 64 * 1024  # bytes that one stream sends before the next one's turn
HIGH_WATER = 1 << 20  # bytes in the transport's buffer before we stop writing
MOST_UNREAD = 2 << 20  # bytes in it at which a peer that only makes us write is cut off


class Outbox:
    """`sent` is told of every stream whose last frame went out later than it was given."""

    def __init__(self, transport: asyncio.Transport, sent: Callable[[Stream], None]) -> None:
        self._transport, self._sent = transport, sent
        self.moved = 0  # bytes of DATA so far: does the peer read?
        self._window = self._initial = http2.FIRST_WINDOW
        self._largest = http2.SMALLEST_FRAME
        self._paused = False
        self._waiting: dict[int, Stream] = {}
        transport.set_write_buffer_limits(high=HIGH_WATER)

    @property
    def initial(self) -> int:
        """The window of a new stream."""
        return self._initial

    @property
    def stuck(self) -> bool:
        """Something would go out if the peer read."""
        return self._paused or bool(self._waiting)

    def control(self, frame: bytes) -> None:
        """Not under flow control. Raises ConnectionFault when the peer makes us write and does not read."""
        self._transport.write(frame)
        if self._paused and self._transport.get_write_buffer_size() > MOST_UNREAD:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "the answers are not read")

    def whole(self, stream: Stream, first: bytes, message: tuple[bytes, bytes], last: bytes) -> None:
        """Headers, one message behind its prefix, and trailers: the way of nearly every answer."""
        size = len(message[0]) + len(message[1])
        if size <= min(stream.window, self._window, self._largest) and not self._paused and not stream.queue:
            stream.window -= size
            self._window -= size
            data = http2.head(size, http2.DATA, 0, stream.number)
            self._transport.write(b"".join((first, data, *message, last)))
            return
        self._transport.write(first)
        self.data(stream, message)
        self.end(stream, last)

    def data(self, stream: Stream, message: tuple[bytes, bytes]) -> None:
        for part in message if len(message[1]) > TURN else (b"".join(message),):
            stream.queue.append(memoryview(part))
            stream.queued += len(part)
        self._pump({stream.number: stream})

    def end(self, stream: Stream, last: bytes) -> None:
        """`last` goes out after everything that is queued."""
        if stream.queue:
            stream.last = last
        else:
            self._transport.write(last)

    def forget(self, stream: Stream) -> None:
        self._waiting.pop(stream.number, None)
        stream.queue.clear()
        stream.queued, stream.last = 0, None

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._pump(self._waiting)

    def widen(self, stream: Stream | None, increment: int) -> None:
        """A WINDOW_UPDATE. Raises ConnectionFault, StreamFault."""
        if stream is None:
            self._window += increment
            if self._window > http2.HIGHEST:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the window of the connection is too large")
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
        change, self._initial = value - self._initial, value
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
            going = [stream for stream in going if self._turn(stream)]

    def _turn(self, stream: Stream) -> bool:
        """False when the stream has nothing more to send now."""
        left = TURN
        while stream.queue and left > 0:
            allowed = min(stream.window, self._window, self._largest)
            if self._paused or allowed <= 0:
                self._waiting[stream.number] = stream
                return False
            left -= self._send(stream, allowed)
        if stream.queue:
            return True
        self._waiting.pop(stream.number, None)
        if stream.last is not None:
            self._transport.write(stream.last)
            stream.last = None
            self._sent(stream)
        if stream.drained is not None:
            stream.drained.set()
        return False

    def _send(self, stream: Stream, allowed: int) -> int:
        piece = stream.queue[0]
        if len(piece) > allowed:
            piece, stream.queue[0] = piece[:allowed], piece[allowed:]
        else:
            stream.queue.popleft()
        size = len(piece)
        stream.window -= size
        self._window -= size
        stream.queued -= size
        self.moved += size
        self._transport.writelines((http2.head(size, http2.DATA, 0, stream.number), piece))
        return size
