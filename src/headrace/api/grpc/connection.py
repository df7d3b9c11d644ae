"""One client's connection: frames in, calls out, by the rules of HTTP/2 (RFC 9113) and of gRPC over it."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import cast

from headrace.api.grpc import http2
from headrace.api.grpc.control import Control
from headrace.api.grpc.desk import Desk
from headrace.api.grpc.headers import Blocks, Head, Malformed
from headrace.api.grpc.http2 import ConnectionFault, ErrorCode, StreamFault
from headrace.api.grpc.inbox import Inbox
from headrace.api.grpc.intake import FRAME, WINDOW, Intake, our_settings
from headrace.api.grpc.outbox import Outbox
from headrace.api.grpc.packing import PREFIX_SIZE
from headrace.api.grpc.reader import Reader
from headrace.api.grpc.running import Running
from headrace.api.grpc.status import Code, Status
from headrace.api.grpc.stream import Stream
from headrace.api.grpc.streams import Streams
from headrace.api.grpc.strikes import Strikes
from headrace.api.limits import LINGER, LINGER_BYTES

TINY = 16  # bytes of DATA that count as such a frame
COPIED = 32 * 1024  # bytes: of less than that a copy is quicker to read
FAREWELL = 1.0  # seconds for calls that are on their way when we say that we stop
PING = b"headrace"

_NOT_AS_LONG = "DATA of other length than content-length says"


class Connection(asyncio.BufferedProtocol):
    """`left` is called when it is over."""

    def __init__(self, desk: Desk, left: Callable[["Connection"], None]) -> None:
        self._desk, self._left = desk, left
        self._loop = asyncio.get_running_loop()
        self._blocks = Blocks()
        self._reader: Reader[Stream] = Reader(self, FRAME)
        self._streams = Streams()
        self._leaving = self._crowded = False  # we said that we stop; it is one too many
        self._strikes = Strikes()
        self._idle_since = self._born = self._loop.time()
        self._moved, self._moved_at = 0, 0.0
        self._lingers: int | None = None  # bytes that are still read after our last words
        self._parting: asyncio.TimerHandle | None = None
        self._made = False  # the loop makes a connection one turn after it has asked for its protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made = True
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("socket")
        if peer is not None and peer.family in {socket.AF_INET, socket.AF_INET6}:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._outbox = Outbox(self._transport, self.settle, self._desk.later, self._streams.open)
        self._running = Running(self._desk, self._outbox, self)
        self._intake = Intake(self._desk, self._outbox, self._running)
        self._control = Control(self._outbox, self._streams, self._drop, self._ponged)
        self._transport.write(our_settings(self._desk.limits.streams))
        self._intake.open()
        if self._crowded:
            self._outbox.write(http2.goaway(0, ErrorCode.ENHANCE_YOUR_CALM, "too many connections"))
            self._outbox.close()
        elif self._desk.draining:  # it was made while we still listened: a call may be on its way
            self.drain()

    def get_buffer(self, sizehint: int) -> memoryview:
        """One for all connections: what is read into it is read from it in the same call of the loop."""
        del sizehint
        return self._desk.buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = self._desk.buffer[:nbytes]
        self.data_received(bytes(data) if nbytes < COPIED else data)

    def data_received(self, data: bytes | memoryview) -> None:
        """Nothing of it is kept."""
        if self._lingers is not None:
            self._lingers -= len(data)
            if self._lingers < 0:
                self._transport.close()
            return
        try:
            self._reader.feed(data)
        except ConnectionFault as fault:
            self._fail(fault.code, fault.message)

    def eof_received(self) -> bool:
        return False  # a client that half-closes the connection itself has gone

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._parting is not None:
            self._parting.cancel()
        if self._lingers is None:
            self._end_calls()
        self._left(self)

    def _end_calls(self) -> None:
        """Nothing comes or goes any more. What they hold comes back once nobody works on them."""
        self._outbox.lost()
        for stream in self._streams:
            stream.done, stream.inbox = True, None
            self._outbox.forget(stream)
            self._running.call_off(stream)
            self.settle(stream)

    def pause_writing(self) -> None:
        self._outbox.pause()

    def resume_writing(self) -> None:
        self._outbox.resume()

    # frames, from the reader

    def headers(self, number: int, block: bytes, ends: bool) -> None:
        stream = self._streams.open.get(number)
        if stream is not None:
            self._trailers(stream, block, ends)
            return
        try:
            head: Head | None = self._blocks.decode(block)
        except Malformed as error:
            head, why = None, str(error)
        if not self._streams.begins(number):
            return
        if head is None or (ends and head.length):
            raise StreamFault(number, ErrorCode.PROTOCOL_ERROR, why if head is None else _NOT_AS_LONG)
        if self._streams.final is not None or len(self._streams) >= self._desk.limits.streams:
            raise StreamFault(number, ErrorCode.REFUSED_STREAM, "no more calls now")
        self._open(number, head, ends)

    def whole(self, number: int, block: bytes, message: bytes, widens: int) -> bool:
        """A call in one piece. False, and nothing is done, when it takes more than a look into memory."""
        head, streams, limits = self._blocks.plain.get(block), self._streams, self._desk.limits
        if head is None or number <= streams.latest or not number & 1 or streams.final is not None:
            return False
        method = self._desk.methods.get(head.path)
        if method is None or method.at_once is None or len(streams.open) >= limits.streams:
            return False
        size, window = len(message) + PREFIX_SIZE, self._outbox.initial + widens
        if size < TINY or size > limits.message or window > http2.HIGHEST or not self._intake.has_room(size):
            return False
        stream = Stream(number, head, window, monotonic())
        stream.peer_done = stream.admitted = True
        streams.open[number] = stream
        if not self._running.ask(stream, method.at_once, message):
            del streams.open[number]
            return False
        streams.latest = number
        self._intake.passed(size)
        if head.timeout is not None and not stream.done:
            stream.timer = self._loop.call_later(head.timeout, self._running.expire, stream)
        return True

    def data_begins(self, number: int, length: int) -> Stream | None:
        if length < TINY:
            self._strikes.add()
        self._intake.arrived(length)
        stream = self._streams.open.get(number)
        if stream is None:
            self._streams.check_abandoned(number)
            self._intake.credit(length)
            return None
        self._intake.begins(stream, length)
        return stream

    def data(self, stream: Stream, piece: bytes | memoryview) -> None:
        inbox = stream.inbox
        if stream.head.length is not None:
            stream.received += len(piece)
        if stream.done or stream.failure is not None or inbox is None:
            return
        try:
            inbox.take(piece)
        except Status as status:
            self._refuse(stream, status)
            return
        if inbox.placed and not stream.admitted:
            self._intake.admitted(stream)
        if not stream.peer_done:
            stream.touched = self._loop.time()
            self._intake.go_on(stream)
        if stream.incoming is not None:
            stream.incoming.set()

    def more(self, stream: Stream, data: memoryview, at: int) -> int:
        """Of a large message, frame after frame without anything between, and what they mean once for all of them."""
        inbox = stream.inbox
        if inbox is None or stream.done or not inbox.placed or stream.head.length is not None:
            return at
        before = inbox.missing
        after = inbox.gather(data, at, stream.number, self._intake.room_of(stream))
        if taken := before - inbox.missing:
            self._intake.arrived(taken)
            self._intake.begins(stream, taken)
            stream.touched = self._loop.time()
            self._intake.go_on(stream)
        return after

    def data_ends(self, stream: Stream) -> None:
        stream.peer_done = True
        self._intake.ended(stream)
        inbox, length = stream.inbox, stream.head.length
        if stream.done or inbox is None:
            self.settle(stream)
        elif length is not None and length != stream.received:
            raise StreamFault(stream.number, ErrorCode.PROTOCOL_ERROR, _NOT_AS_LONG)
        elif not inbox.between:
            self._refuse(stream, Status(Code.INTERNAL, "the last message is cut off"))
        elif stream.incoming is not None:
            stream.incoming.set()
        elif len(inbox.messages) != 1:
            said = f"this method takes one message, not {len(inbox.messages)}"
            self._refuse(stream, Status(Code.UNIMPLEMENTED, said))
        else:
            self._running.start(stream, self._desk.methods[stream.head.path])

    def other(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind != http2.WINDOW_UPDATE:
            self._strikes.add()
        self._control.act(kind, flags, stream, payload)

    def fault(self, fault: StreamFault) -> None:
        self._strikes.add()
        self._outbox.write(http2.reset(fault.stream, fault.code))
        stream = self._streams.open.get(fault.stream)
        if stream is None:
            self._streams.abandon(fault.stream)
        else:
            self._drop(stream)

    # what they mean

    def _open(self, number: int, head: Head, ends: bool) -> None:
        stream = Stream(number, head, self._outbox.initial, monotonic())
        stream.room, stream.peer_done = WINDOW, ends
        stream.touched = self._loop.time()
        self._streams.open[number] = stream
        if not head.grpc:
            self._running.refuse_http(stream, b"405" if head.method != "POST" else b"415")
            return
        method = self._desk.methods.get(head.path)
        place = None
        if method is not None and method.at_once is not None and head.encoding == "identity":
            place = partial(method.at_once.place, head)
        stream.inbox = Inbox(self._desk.limits.message, place)
        if method is None:
            self._running.refuse(stream, Status(Code.UNIMPLEMENTED, f"there is no method {head.path[:200]}"))
        elif head.refusal is not None:
            self._running.refuse(stream, head.refusal)
        elif ends and method.unary is not None:
            self._running.refuse(stream, Status(Code.UNIMPLEMENTED, "this method takes one message, not 0"))
        else:
            self._running.expect(stream, method)

    def _trailers(self, stream: Stream, block: bytes, ends: bool) -> None:
        wrong = None if ends else "headers in the middle of a stream"
        try:
            self._blocks.check_trailers(block)
        except Malformed as error:
            wrong = str(error)
        if stream.peer_done:
            raise StreamFault(stream.number, ErrorCode.STREAM_CLOSED, "headers after the end of a stream")
        if wrong is not None:
            raise StreamFault(stream.number, ErrorCode.PROTOCOL_ERROR, wrong)
        self.data_ends(stream)

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
        self._intake.read_on(stream)

    def _drop(self, stream: Stream) -> None:
        """The stream is closed both ways, at once."""
        stream.done = stream.wasted = True
        self._outbox.forget(stream)
        self._running.call_off(stream)
        if not stream.peer_done:
            self._streams.abandon(stream.number)
        self.settle(stream)

    def settle(self, stream: Stream) -> None:
        """A stream counts until its call has ended and its answer has gone out."""
        streams = self._streams
        if not stream.done or stream.busy or streams.open.get(stream.number) is not stream:
            return
        del streams.open[stream.number]
        stream.inbox = None  # the reader may still know the stream
        if stream.kept:
            self._intake.ended(stream)
        if stream.reserved:
            self._desk.release(stream.reserved)
            stream.reserved = 0
        if not stream.peer_done:
            self._streams.abandon(stream.number)
        if self._strikes.count and not stream.wasted:
            self._strikes.pardon()
        if not streams.open:
            self._idle_since = self._loop.time()
            if streams.final is not None:
                self._outbox.close()

    def look(self, now: float) -> None:
        """Ends what takes too long: called now and then."""
        if not self._made:
            return
        limits = self._desk.limits
        if not self._reader.begun and now - self._born > limits.greeting:
            self._transport.abort()
        elif not self._streams and now - self._idle_since > limits.idle:
            self.drain()
        for stream in [one for one in self._streams if one.waits_for_peer]:
            if now - stream.touched > limits.body:
                self._refuse(stream, Status(Code.DEADLINE_EXCEEDED, f"nothing came for {limits.body:g} seconds"))
        if self._outbox.moved != self._moved or not self._outbox.stuck:
            self._moved, self._moved_at = self._outbox.moved, now
        elif now - self._moved_at > limits.unread:
            self._transport.abort()

    def _fail(self, code: ErrorCode, message: str) -> None:
        """Says why, and reads on for a while what it throws away: closing at once would take our last words with it."""
        self._streams.final = self._streams.latest
        self._outbox.write(http2.goaway(self._streams.latest, code, message))
        self._end_calls()
        self._lingers = LINGER_BYTES
        if self._transport.is_closing():
            return
        self._transport.write_eof()
        self._parting = self._loop.call_later(LINGER, self._transport.close)

    def turn_away(self) -> None:
        """Said before its first byte: this connection is one too many."""
        self._crowded = True

    def spare_since(self) -> float | None:
        """See Guest."""
        if not self._made or self._leaving or self._lingers is not None or self._transport.is_closing():
            return None
        return self._streams.silent_since() if self._streams else self._idle_since

    def make_room(self) -> None:
        """Clients who have spoken gRPC, and are not in the middle of a message, are told so that they come back."""
        (self.drain if self._reader.begun and not self._streams else self.abort)()

    def abort(self) -> None:
        if self._made:
            self._transport.abort()

    def drain(self) -> None:
        """What has begun is finished; what comes later goes elsewhere. Two steps, so that no call falls between."""
        if self._lingers is not None:
            self._transport.close()
        if self._leaving or not self._made:  # what is not made yet sees that the door is draining when it is
            return
        self._leaving = True
        self._outbox.write(http2.goaway(http2.HIGHEST, ErrorCode.NO_ERROR) + http2.frame(http2.PING, 0, 0, PING))
        self._loop.call_later(FAREWELL, self._farewell)
        for stream in self._streams:
            if stream.incoming is not None:
                stream.incoming.set()

    def finish(self) -> None:
        """There is no more time: calls that are still open hear it, and who has heard all is gone."""
        if self._made:
            self._farewell()
            for stream in self._streams:
                self._running.stop(stream)

    def _farewell(self) -> None:
        streams = self._streams
        if streams.final is not None:
            return
        streams.final = streams.latest
        self._outbox.write(http2.goaway(streams.latest, ErrorCode.NO_ERROR))
        if not streams:
            self._outbox.close()

    def _ponged(self, payload: bytes) -> None:
        if payload == PING and self._leaving:
            self._farewell()
