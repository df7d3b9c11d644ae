"""How much a client may send: flow control of what comes in.

Without a key a connection gets no further than its first window. With one, a message is read on as fast as it comes;
a call that reads message by message gets the next ones once it has read those before.
"""

import asyncio
from functools import partial

from headrace.api.grpc import http2, status
from headrace.api.grpc.desk import Desk
from headrace.api.grpc.headers import LARGEST_METADATA
from headrace.api.grpc.http2 import ConnectionFault, ErrorCode, StreamFault
from headrace.api.grpc.outbox import Outbox
from headrace.api.grpc.packing import PREFIX_SIZE
from headrace.api.grpc.running import Running
from headrace.api.grpc.status import Code, Status
from headrace.api.grpc.stream import Stream
from headrace.domain.account import Action

FRAME = 1 << 20  # bytes of the largest DATA frame that we take
WINDOW = 1 << 20  # bytes of one stream, and of a whole connection until a key was shown
WIDE = 16 << 20  # bytes of a connection after that
AHEAD = 1 << 20  # bytes of whole messages that may wait to be read


def our_settings(calls: int) -> bytes:
    """The frame of our settings; `calls`: at once on one connection."""
    return http2.settings(
        {
            http2.MAX_FRAME_SIZE: FRAME,
            http2.INITIAL_WINDOW_SIZE: WINDOW,
            http2.MAX_HEADER_LIST_SIZE: LARGEST_METADATA,
            http2.MAX_CONCURRENT_STREAMS: calls,
        }
    )


class Intake:
    def __init__(self, desk: Desk, outbox: Outbox, running: Running) -> None:
        self._desk, self._outbox, self._running = desk, outbox, running
        self._size = self._room = WINDOW
        self._owed = 0  # bytes to give back to the connection

    def open(self) -> None:
        self._outbox.write(http2.window_update(0, WINDOW - http2.FIRST_WINDOW))

    def arrived(self, length: int) -> None:
        """Bytes on the connection, whatever becomes of them. Raises ConnectionFault."""
        self._room -= length
        if self._room < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "more bytes than the window of the connection")

    def has_room(self, length: int) -> bool:
        """For a small call that comes in one piece, without a frame to give its bytes back."""
        return length <= self._room and (self._owed + length) * 8 < self._size

    def passed(self, length: int) -> None:
        """Taken, and given back at once."""
        self._room -= length
        self._owed += length

    def room_of(self, stream: Stream) -> int:
        """Bytes that may come for it before anything is given back."""
        return min(stream.room, self._room)

    def begins(self, stream: Stream, length: int) -> None:
        """Bytes of a stream. Raises StreamFault."""
        stream.room -= length
        if stream.peer_done or stream.room < 0:
            self.credit(length)
            code = ErrorCode.STREAM_CLOSED if stream.peer_done else ErrorCode.FLOW_CONTROL_ERROR
            raise StreamFault(stream.number, code, "DATA after the end, or beyond the window")
        stream.taken += length
        if stream.admitted or stream.done:
            self.credit(length)
        else:
            stream.kept += length

    def ended(self, stream: Stream) -> None:
        """The connection's window waits for this stream no longer."""
        if stream.kept:
            self.credit(stream.kept)
            stream.kept = 0

    def credit(self, length: int) -> None:
        """Bytes are given back to the connection; told when they are worth a frame."""
        self._owed += length
        if self._owed * 8 >= self._size:
            self._outbox.write(http2.window_update(0, self._owed))
            self._room += self._owed
            self._owed = 0

    def admitted(self, stream: Stream) -> None:
        stream.admitted = True
        self.ended(stream)
        if self._size < WIDE:
            self._outbox.write(http2.window_update(0, WIDE - self._size))
            self._room += WIDE - self._size
            self._size = WIDE
        self.go_on(stream)

    def read_on(self, stream: Stream) -> None:
        """Messages were read, or somebody is done with them."""
        if stream.inbox is not None:
            spare = stream.reserved - max(0, stream.lent + stream.inbox.size + stream.room - WINDOW)
            if spare > 0:
                self._desk.release(spare)
                stream.reserved -= spare
        self.go_on(stream)

    def go_on(self, stream: Stream) -> None:
        """Opens the window of a stream again, if it is time, and its caller may."""
        if stream.done or stream.peer_done or stream.failure is not None:
            return
        if stream.admitted:
            if stream.taken * 2 >= WINDOW and self._wants_more(stream):
                self._open(stream)
        elif stream.taken * 4 >= WINDOW or (self._room + self._owed) * 2 < self._size:
            # streams without a key must not use up the window of the connection, each with a little
            self._ask(stream)

    def _wants_more(self, stream: Stream) -> bool:
        """One message that fits into what is open needs no more; nor does who has not read those that are here."""
        inbox = stream.inbox
        if inbox is None:
            return False
        if stream.incoming is None:
            return inbox.missing > stream.room or stream.room < PREFIX_SIZE
        return inbox.waiting < AHEAD

    def _ask(self, stream: Stream) -> None:
        actions = self._desk.methods[stream.head.path].actions
        if not actions:
            self._refuse(stream, Status(Code.RESOURCE_EXHAUSTED, "this call takes small messages only"))
        elif stream.task is None and stream.asking is None:
            stream.asking = self._desk.group.create_task(self._admit(stream, actions))
            stream.asking.add_done_callback(partial(self._asked, stream))

    def _open(self, stream: Stream) -> None:
        try:
            stream.reserved += self._desk.hold(stream.taken)
        except Status as why:
            if not stream.lent:  # otherwise there is room once somebody is done with that
                self._refuse(stream, why)
            return
        self._outbox.write(http2.window_update(stream.number, stream.taken))
        stream.room += stream.taken
        stream.taken = 0
        stream.touched = asyncio.get_running_loop().time()

    def _refuse(self, stream: Stream, why: Status) -> None:
        if stream.incoming is not None:
            stream.failure = why
            stream.incoming.set()
        else:
            self._running.refuse(stream, why)

    async def _admit(self, stream: Stream, actions: tuple[Action, ...]) -> None:
        try:
            await self._desk.admit(stream.head, actions)
        except Exception as error:  # noqa: BLE001 - whatever it is becomes a status
            self._running.refuse(stream, status.of(error))
        else:
            self.admitted(stream)

    def _asked(self, stream: Stream, _task: asyncio.Task[None]) -> None:
        stream.asking = None
        self._running.settle(stream)
