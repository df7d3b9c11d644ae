"""One client's connection: frames in, calls out, by the rules of HTTP/2 (RFC 9113) and of gRPC over it."""

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from headrace.api.oip.grpc import http2
from headrace.api.oip.grpc.calls import Method
from headrace.api.oip.grpc.desk import Desk
from headrace.api.oip.grpc.headers import LARGEST_METADATA, Blocks, Head, Malformed
from headrace.api.oip.grpc.http2 import ConnectionFault, ErrorCode, StreamFault
from headrace.api.oip.grpc.intake import FRAME, WINDOW, Intake
from headrace.api.oip.grpc.outbox import Outbox
from headrace.api.oip.grpc.reader import Reader
from headrace.api.oip.grpc.running import Running
from headrace.api.oip.grpc.status import Code, Status
from headrace.api.oip.grpc.stream import Stream

FLOOD, FLOOD_TIME = 10_000, 10.0  # frames that cost us more than the peer, in so many seconds
TINY = 16  # bytes of DATA that count as such a frame
REMEMBERED = 1_000  # streams that we ended while the peer was still sending
FAREWELL = 1.0  # seconds for calls that are on their way when we say that we stop
PING = b"headrace"

_OUR_SETTINGS = {
    http2.MAX_FRAME_SIZE: FRAME,
    http2.INITIAL_WINDOW_SIZE: WINDOW,
    http2.MAX_HEADER_LIST_SIZE: LARGEST_METADATA,
}


class Connection(asyncio.Protocol):
    """`left` is called when it is over."""

    def __init__(self, desk: Desk, left: Callable[["Connection"], None]) -> None:
        self._desk, self._left = desk, left
        self._loop = asyncio.get_running_loop()
        self._blocks = Blocks()
        self._reader: Reader[Stream] = Reader(self, FRAME)
        self._others: dict[int, Callable[[int, int, bytes], None]] = {
            http2.WINDOW_UPDATE: self._window_update,
            http2.PING: self._ping,
            http2.SETTINGS: self._settings,
            http2.RST_STREAM: self._reset,
            http2.GOAWAY: _check_goaway,
            http2.PRIORITY: _check_priority,
        }
        self._streams: dict[int, Stream] = {}
        self._abandoned: dict[int, None] = {}
        self._latest = 0  # the highest stream that the peer opened
        self._leaving = False  # we said that we stop
        self._crowded = False
        self._final: int | None = None  # the last stream that is still served, once that was settled
        self._strikes, self._since = 0, self._loop.time()
        self._idle_since = self._born = self._loop.time()
        self._moved, self._moved_at = 0, 0.0
        self._made = False  # the loop makes a connection one turn after it has asked for its protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made = True
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("socket")
        if peer is not None and peer.family in {socket.AF_INET, socket.AF_INET6}:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._outbox = Outbox(self._transport, self.settle)
        self._running = Running(self._desk, self._outbox, self)
        self._intake = Intake(self._desk, self._outbox, self._running)
        streams = {http2.MAX_CONCURRENT_STREAMS: self._desk.limits.streams}
        self._transport.write(http2.settings(_OUR_SETTINGS | streams))
        self._intake.open()
        if self._crowded:
            self._fail(ErrorCode.ENHANCE_YOUR_CALM, "too many connections")
        elif self._desk.draining:  # it was made while we still listened: a call may be on its way
            self.drain()

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
        except ConnectionFault as fault:
            self._fail(fault.code, fault.message)

    def eof_received(self) -> bool:
        return False  # a client that half-closes the connection itself has gone

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        for stream in list(self._streams.values()):
            stream.done = True
            self._outbox.forget(stream)
            self._running.call_off(stream)
        self._streams.clear()
        self._left(self)

    def pause_writing(self) -> None:
        self._outbox.pause()

    def resume_writing(self) -> None:
        self._outbox.resume()

    # frames, from the reader

    def headers(self, number: int, block: bytes, ends: bool) -> None:
        try:
            head: Head | None = self._blocks.decode(block)
        except Malformed as error:
            head, why = None, str(error)
        stream = self._streams.get(number)
        if stream is not None:
            self._trailers(stream, ends)
            return
        if number <= self._latest:
            if number not in self._abandoned:
                raise ConnectionFault(ErrorCode.STREAM_CLOSED, f"headers for stream {number}, which is closed")
            return
        if not number & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"a client opened stream {number}, an even number")
        self._latest = number
        if head is None:
            raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, why)
        if self._final is not None or len(self._streams) >= self._desk.limits.streams:
            raise StreamFault(number, ErrorCode.REFUSED_STREAM, "no more calls now")
        self._open(number, head, ends)

    def data_begins(self, number: int, length: int) -> Stream | None:
        if length < TINY:
            self._strike()
        self._intake.arrived(length)
        stream = self._streams.get(number)
        if stream is None:
            if not number or number > self._latest:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"DATA for stream {number}, which is not open")
            if number not in self._abandoned:
                raise ConnectionFault(ErrorCode.STREAM_CLOSED, f"DATA for stream {number}, which is closed")
            self._intake.credit(length)
            return None
        self._intake.begins(stream, length)
        return stream

    def data(self, stream: Stream, piece: bytes) -> None:
        if stream.done or stream.failure is not None:
            return
        try:
            stream.take(piece)
        except Status as status:
            self._refuse(stream, status)
            return
        if not stream.peer_done:
            stream.touched = self._loop.time()
            self._intake.go_on(stream)
        if stream.incoming is not None:
            stream.incoming.set()

    def data_ends(self, stream: Stream) -> None:
        stream.peer_done = True
        self._intake.ended(stream)
        if stream.done:
            self.settle(stream)
        elif not stream.between:
            self._refuse(stream, Status(Code.INTERNAL, "the last message is cut off"))
        elif stream.incoming is not None:
            stream.incoming.set()
        elif len(stream.messages) != 1:
            said = f"this method takes one message, not {len(stream.messages)}"
            self._refuse(stream, Status(Code.UNIMPLEMENTED, said))
        else:
            self._running.start(stream, self._desk.methods[stream.head.path])

    def other(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind != http2.WINDOW_UPDATE:
            self._strike()
        act = self._others.get(kind)
        if act is None:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client pushes nothing")
        act(flags, stream, payload)

    def fault(self, fault: StreamFault) -> None:
        self._strike()
        self._outbox.control(http2.reset(fault.stream, fault.code))
        stream = self._streams.get(fault.stream)
        if stream is None:
            self._abandon(fault.stream)
        else:
            self._drop(stream)

    # what they mean

    def _open(self, number: int, head: Head, ends: bool) -> None:
        limits = self._desk.limits
        stream = Stream(number, head, limits.message, self._outbox.initial, room=WINDOW, peer_done=ends)
        stream.touched = self._loop.time()
        self._streams[number] = stream
        if head.method != "POST" or not head.content_type.startswith("application/grpc"):
            self._running.refuse_http(stream, b"405" if head.method != "POST" else b"415")
            return
        method = self._desk.methods.get(head.path)
        why = _refusal(head, method)
        if why is not None:
            self._running.refuse(stream, why)
        elif method is None or (ends and method.unary is not None):
            self._running.refuse(stream, Status(Code.UNIMPLEMENTED, "this method takes one message, not 0"))
        else:
            if head.timeout is not None:
                stream.timer = self._loop.call_later(head.timeout, self._running.expire, stream)
            if method.streaming is not None:
                self._running.start(stream, method)

    def _trailers(self, stream: Stream, ends: bool) -> None:
        if stream.peer_done:
            raise StreamFault(stream.number, ErrorCode.STREAM_CLOSED, "headers after the end of a stream")
        if not ends:
            raise StreamFault(stream.number, ErrorCode.PROTOCOL_ERROR, "headers in the middle of a stream")
        self.data_ends(stream)

    def _window_update(self, _flags: int, number: int, payload: bytes) -> None:
        if len(payload) != http2.NUMBER.size:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a WINDOW_UPDATE has 4 bytes")
        increment = http2.NUMBER.unpack(payload)[0] & http2.HIGHEST
        if not number:
            if not increment:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a window grows by at least 1")
            self._outbox.widen(None, increment)
            return
        if number > self._latest:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"WINDOW_UPDATE for stream {number}, which is not open")
        stream = self._streams.get(number)
        if stream is None:
            return
        if not increment:
            raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, "a window grows by at least 1")
        self._outbox.widen(stream, increment)

    def _ping(self, flags: int, number: int, payload: bytes) -> None:
        if number or len(payload) != len(PING):
            code = ErrorCode.PROTOCOL_ERROR if number else ErrorCode.FRAME_SIZE_ERROR
            raise ConnectionFault(code, "a PING has no stream, and 8 bytes")
        if not flags & http2.ACK:
            self._outbox.control(http2.frame(http2.PING, http2.ACK, 0, payload))
        elif payload == PING and self._leaving:
            self._farewell()

    def _settings(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS have no stream")
        if len(payload) % http2.SETTING.size or (flags & http2.ACK and payload):
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS have 6 bytes each, and none to acknowledge")
        if flags & http2.ACK:
            return
        for name, value in http2.SETTING.iter_unpack(payload):
            if name == http2.INITIAL_WINDOW_SIZE:
                self._outbox.set_initial(value, list(self._streams.values()))
            elif name == http2.MAX_FRAME_SIZE:
                self._outbox.set_largest(value)
            elif name == http2.ENABLE_PUSH and value > 1:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
        self._outbox.control(http2.frame(http2.SETTINGS, http2.ACK, 0))

    def _reset(self, _flags: int, number: int, payload: bytes) -> None:
        if len(payload) != http2.NUMBER.size:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a RST_STREAM has 4 bytes")
        if not number or number > self._latest:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"RST_STREAM for stream {number}, which is not open")
        stream = self._streams.get(number)
        if stream is not None:
            self._drop(stream)

    # life and end

    def _refuse(self, stream: Stream, why: Status) -> None:
        """A handler that reads message by message gets to hear it; otherwise the call ends here."""
        if stream.incoming is not None:
            stream.failure = why
            stream.incoming.set()
        else:
            self._running.refuse(stream, why)

    def admitted(self, stream: Stream) -> None:
        self._intake.admitted(stream)

    def read_on(self, stream: Stream) -> None:
        self._intake.go_on(stream)

    def _drop(self, stream: Stream) -> None:
        """The stream is closed both ways, at once."""
        stream.done = True
        self._outbox.forget(stream)
        self._running.call_off(stream)
        if not stream.peer_done:
            self._abandon(stream.number)
        self.settle(stream)

    def settle(self, stream: Stream) -> None:
        """A stream counts until its call has ended and its answer has gone out."""
        if not stream.done or stream.busy or self._streams.get(stream.number) is not stream:
            return
        del self._streams[stream.number]
        self._intake.ended(stream)
        self._desk.release(stream.reserved)
        stream.reserved = 0
        if not stream.peer_done:
            self._abandon(stream.number)
        if self._strikes:
            self._strikes -= 1
        if not self._streams:
            self._idle_since = self._loop.time()
            if self._final is not None:
                self._transport.close()

    def _abandon(self, number: int) -> None:
        """Frames for it may still be on their way."""
        self._abandoned[number] = None
        if len(self._abandoned) > REMEMBERED:
            del self._abandoned[next(iter(self._abandoned))]

    def look(self, now: float) -> None:
        """Ends what takes too long: called now and then."""
        if not self._made:
            return
        limits = self._desk.limits
        if not self._reader.begun and now - self._born > limits.greeting:
            self._transport.abort()
        elif not self._streams and now - self._idle_since > limits.idle:
            self.drain()
        for stream in [one for one in self._streams.values() if one.waits_for_peer]:
            if now - stream.touched > limits.body:
                self._refuse(stream, Status(Code.DEADLINE_EXCEEDED, f"nothing came for {limits.body:g} seconds"))
        if self._outbox.moved != self._moved or not self._outbox.stuck:
            self._moved, self._moved_at = self._outbox.moved, now
        elif now - self._moved_at > limits.unread:
            self._transport.abort()

    def _strike(self) -> None:
        self._strikes += 1
        if self._strikes > FLOOD:
            now = self._loop.time()
            if now - self._since < FLOOD_TIME:
                raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that cost more than they bring")
            self._strikes, self._since = 0, now

    def _fail(self, code: ErrorCode, message: str) -> None:
        self._final = self._latest
        self._transport.write(http2.goaway(self._latest, code, message))
        self._transport.close()

    def turn_away(self) -> None:
        """Said before its first byte: this connection is one too many."""
        self._crowded = True

    def abort(self) -> None:
        if self._made:
            self._transport.abort()

    def drain(self) -> None:
        """What has begun is finished; what comes later goes elsewhere. Two steps, so that no call falls between."""
        if self._leaving or not self._made:  # what is not made yet sees that the door is draining when it is
            return
        self._leaving = True
        self._transport.write(http2.goaway(http2.HIGHEST, ErrorCode.NO_ERROR) + http2.frame(http2.PING, 0, 0, PING))
        self._loop.call_later(FAREWELL, self._farewell)
        for stream in self._streams.values():
            if stream.incoming is not None:
                stream.incoming.set()

    def _farewell(self) -> None:
        if self._final is not None:
            return
        self._final = self._latest
        self._transport.write(http2.goaway(self._latest, ErrorCode.NO_ERROR))
        if not self._streams:
            self._transport.close()


def _refusal(head: Head, method: Method | None) -> Status | None:
    if method is None:
        return Status(Code.UNIMPLEMENTED, f"there is no method {head.path[:200]}")
    if head.size > LARGEST_METADATA:
        return Status(Code.RESOURCE_EXHAUSTED, f"the metadata has {head.size} bytes, at most {LARGEST_METADATA}")
    return None


def _check_priority(_flags: int, number: int, payload: bytes) -> None:
    if not number:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY without a stream")
    if len(payload) != http2.PRIORITY_SIZE:
        raise StreamFault(number, ErrorCode.FRAME_SIZE_ERROR, "a PRIORITY has 5 bytes")
    if http2.NUMBER.unpack_from(payload)[0] & http2.HIGHEST == number:
        raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, "a stream depends on itself")


def _check_goaway(_flags: int, number: int, payload: bytes) -> None:
    """What a client has to say is no more than that it opens no new streams."""
    if number or len(payload) < http2.GONE.size:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a broken GOAWAY")
