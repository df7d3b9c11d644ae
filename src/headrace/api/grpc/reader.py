"""Bytes of a connection → frames. Checks what a frame is by itself; what it means is the sink's business.

The payload of DATA is handed on as it comes, without waiting for the end of the frame, so a large frame is never
copied together. Everything else is small, and waits until it is whole.
"""

from struct import Struct
from typing import Generic, Protocol, TypeVar

from headrace.api.grpc import http2
from headrace.api.grpc.http2 import ConnectionFault, ErrorCode, StreamFault
from headrace.api.grpc.packing import PREFIX_SIZE

LARGEST_BLOCK = 128 * 1024  # bytes of one header block with all its CONTINUATION frames
LARGEST_OTHER = 16 * 1024  # bytes of a frame that is neither DATA nor headers
MOST_CONTINUATIONS = 8
SMALL = 64 * 1024  # bytes of a message that is handed on with its headers
LARGE = 16 * 1024  # bytes behind a frame, for which it is of use to look at the next ones together

_FIRST = Struct(">HBBBLBL")  # the head of DATA, and the prefix of the message in it
_WIDER = Struct(">HBBBLL")  # a WINDOW_UPDATE
_KIND = 3  # where its kind stands in the head of a frame
_SHORTEST = _FIRST.size

T = TypeVar("T")


class Sink(Protocol[T]):
    """Takes the frames. `T` is the sink's own stream object."""

    def whole(self, stream: int, block: bytes, message: bytes, widens: int) -> bool:
        """HEADERS, a WINDOW_UPDATE or none, and DATA of a stream with one message.

        False: it has done nothing, and gets them one by one.
        """
        ...

    def data_begins(self, stream: int, length: int) -> T | None:
        """A DATA frame of `length` bytes, as flow control counts them; None: its bytes are thrown away."""
        ...

    def data(self, stream: T, piece: bytes | memoryview) -> None:
        """Of its payload. It may be other bytes after this call."""
        ...

    def more(self, stream: T, data: memoryview, at: int) -> int:
        """Takes whole frames of DATA that go on with this stream; returns where the first one begins that it left."""
        ...

    def data_ends(self, stream: T) -> None:
        """The peer has sent everything of this stream."""
        ...

    def headers(self, stream: int, block: bytes, ends: bool) -> None: ...

    def other(self, kind: int, flags: int, stream: int, payload: bytes) -> None: ...

    def fault(self, fault: StreamFault) -> None: ...


class Reader(Generic[T]):
    def __init__(self, sink: Sink[T], largest_frame: int) -> None:
        self._sink, self._largest = sink, largest_frame
        self._kept = b""  # the beginning of a frame
        self._greeted = self._begun = False  # the preface came; the first SETTINGS came
        self._left = 0  # bytes of DATA that are still to come
        self._skip = 0  # bytes to throw away after them: padding, frames of kinds that we do not know
        self._after = 0  # where to go on when a frame was refused
        self._ends = False
        self._target: T | None = None
        self._block: tuple[int, bool, list[bytes]] | None = None  # headers that go on in CONTINUATION

    @property
    def begun(self) -> bool:
        return self._begun

    def feed(self, data: bytes | memoryview) -> None:
        """Raises ConnectionFault. Whoever gave it may write over it afterwards."""
        if self._kept:
            data, self._kept = b"".join((self._kept, data)), b""
        at = 0 if self._greeted else self._greeting(data)
        size = len(data) if self._greeted else 0
        while at < size:
            try:
                if self._left or self._skip:
                    after = self._rest(data, at, size)
                else:
                    after = self._whole(data, at, size) or self._next(data, at, size)
            except StreamFault as fault:
                self._sink.fault(fault)
                after = self._after
            if after < 0:
                break
            at = after
        self._kept = bytes(data[at:] if at else data)

    def _greeting(self, data: bytes | memoryview) -> int:
        size = len(http2.PREFACE)
        if data[:size] != http2.PREFACE[: len(data)]:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "this port speaks gRPC: HTTP/2 without TLS")
        self._greeted = len(data) >= size
        return size if self._greeted else 0

    def _whole(self, data: bytes | memoryview, at: int, size: int) -> int:
        """Where a small call ends that begins here and is whole in `data`: the way of nearly all. Otherwise 0."""
        block = at + http2.HEAD_SIZE
        if size - block < _SHORTEST or not self._begun or self._block is not None:
            return 0
        high, low, kind, flags, stream = http2.HEAD.unpack_from(data, at)
        after = block + (high << 8 | low)
        if kind != http2.HEADERS or flags != http2.END_HEADERS or stream > http2.HIGHEST:
            return 0
        widens = _widening(data, after, stream)
        first = after + _WIDER.size if widens else after
        end = _end_of_message(data, first, stream)
        if not end:
            return 0
        message = bytes(data[first + _FIRST.size : end])
        return end if self._sink.whole(stream, bytes(data[block:after]), message, widens) else 0

    def _next(self, data: bytes | memoryview, at: int, size: int) -> int:
        """Where the next frame begins, or -1 when this one is not there yet."""
        if size - at < http2.HEAD_SIZE:
            return -1
        high, low, kind, flags, stream = http2.HEAD.unpack_from(data, at)
        length, stream = high << 8 | low, stream & http2.HIGHEST
        if length > self._largest or not self._begun or self._block is not None or kind != http2.DATA:
            self._check(kind, flags, stream, length)
        at += http2.HEAD_SIZE
        if kind == http2.DATA:
            return self._data(data, at, (flags, stream, length))
        if kind > http2.CONTINUATION:
            self._target, self._skip = None, length
            return at
        self._after = at + length
        if self._after > size:
            return -1
        self._frame(kind, flags, stream, bytes(data[at : self._after]))
        return self._after

    def _check(self, kind: int, flags: int, stream: int, length: int) -> None:
        if length > self._largest:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame has {length} bytes, at most {self._largest}")
        if not self._begun:
            if kind != http2.SETTINGS or flags & http2.ACK:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame should be SETTINGS")
            self._begun = True
        if self._block is not None and (kind != http2.CONTINUATION or stream != self._block[0]):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a header block was interrupted by another frame")
        if kind in {http2.HEADERS, http2.CONTINUATION}:
            if length > LARGEST_BLOCK:
                raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, f"headers have more than {LARGEST_BLOCK} bytes")
        elif length > LARGEST_OTHER and http2.DATA < kind < http2.CONTINUATION:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame of kind {kind} has {length} bytes")

    def _data(self, data: bytes | memoryview, at: int, frame: tuple[int, int, int]) -> int:
        flags, stream, length = frame
        pad = 0
        if flags & http2.PADDED:
            if at >= len(data):
                return -1
            pad = data[at] + 1
            at += 1
            if pad > length:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame has more padding than bytes")
        self._after = at  # a fault of the stream throws the payload away
        self._target, self._ends, self._left, self._skip = None, False, 0, length - (pad > 0)
        target = self._sink.data_begins(stream, length)
        self._target, self._ends = target, bool(flags & http2.END_STREAM)
        self._left, self._skip = length - pad, max(0, pad - 1)
        if not self._left and target is not None and self._ends:
            self._sink.data_ends(target)
        return at

    def _rest(self, data: bytes | memoryview, at: int, size: int) -> int:
        """The payload of DATA, as much as there is."""
        if not self._left:
            take = min(self._skip, size - at)
            self._skip -= take
            return at + take
        take = min(self._left, size - at)
        self._left -= take
        target, self._after = self._target, at + take
        if target is not None:
            self._sink.data(target, data if take == size else data[at : at + take])
            if not self._left:
                if self._ends:
                    self._sink.data_ends(target)
                elif size - self._after > LARGE:
                    return self._sink.more(target, memoryview(data), self._after)
        return self._after

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == http2.HEADERS:
            self._headers(flags, stream, payload)
        elif kind == http2.CONTINUATION:
            self._continued(flags, payload)
        else:
            self._sink.other(kind, flags, stream, payload)

    def _headers(self, flags: int, stream: int, payload: bytes) -> None:
        if not stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "HEADERS without a stream")
        if flags & (http2.PADDED | http2.HAS_PRIORITY):
            payload = _bare(flags, stream, payload)
        ends = bool(flags & http2.END_STREAM)
        if flags & http2.END_HEADERS:
            self._sink.headers(stream, payload, ends)
        else:
            self._block = stream, ends, [payload]

    def _continued(self, flags: int, payload: bytes) -> None:
        if self._block is None:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without HEADERS")
        stream, ends, parts = self._block
        parts.append(payload)
        if len(parts) > MOST_CONTINUATIONS + 1:
            said = f"headers come in more than {MOST_CONTINUATIONS + 1} frames"
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, said)
        if sum(map(len, parts)) > LARGEST_BLOCK:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, f"headers have more than {LARGEST_BLOCK} bytes")
        if flags & http2.END_HEADERS:
            self._block = None
            self._sink.headers(stream, b"".join(parts), ends)


def _widening(data: bytes | memoryview, at: int, stream: int) -> int:
    """By how much the window of the stream grows there: grpcio says so before each message. 0: by nothing."""
    if len(data) - at < _WIDER.size or data[at + _KIND] != http2.WINDOW_UPDATE:
        return 0
    high, low, _, _, same, increment = _WIDER.unpack_from(data, at)
    fine = not high and low == http2.NUMBER.size and same == stream and increment <= http2.HIGHEST
    return increment if fine else 0


def _end_of_message(data: bytes | memoryview, at: int, stream: int) -> int:
    """Where a frame of DATA ends that begins there, and is the end of the stream and one small message. Otherwise 0."""
    message = at + _FIRST.size
    if len(data) < message:
        return 0
    high, low, kind, flags, same, packed, length = _FIRST.unpack_from(data, at)
    end = message + length
    if kind != http2.DATA or flags != http2.END_STREAM or same != stream or end > len(data):
        return 0
    return 0 if packed or high << 8 | low != length + PREFIX_SIZE or length > SMALL else end


def _bare(flags: int, stream: int, payload: bytes) -> bytes:
    """A header block without its padding and priority."""
    pad = 0
    if flags & http2.PADDED:
        if not payload:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a padded frame without a padding length")
        pad, payload = payload[0], payload[1:]
    if flags & http2.HAS_PRIORITY:
        if len(payload) < http2.PRIORITY_SIZE:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "HEADERS are too short for their priority")
        if http2.NUMBER.unpack_from(payload)[0] & http2.HIGHEST == stream:
            # the block is not decoded, so the connection cannot go on
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a stream depends on itself")
        payload = payload[http2.PRIORITY_SIZE :]
    if pad > len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame has more padding than bytes")
    return payload[: len(payload) - pad]
