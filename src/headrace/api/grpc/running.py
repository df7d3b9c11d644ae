"""The calls of one connection while they run: started, answered, refused, called off."""

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from functools import partial
from typing import Protocol

from headrace.api.endpoint import NOBODY
from headrace.api.grpc import http2, packing, status
from headrace.api.grpc.calls import AtOnce, Call, Exchange, Method
from headrace.api.grpc.desk import Desk
from headrace.api.grpc.headers import OK, RESPONSE, block, trailers
from headrace.api.grpc.http2 import ErrorCode
from headrace.api.grpc.outbox import Outbox
from headrace.api.grpc.status import Code, Status
from headrace.api.grpc.stream import Stream
from headrace.api.grpc.turns import Turns
from headrace.domain.body import Slot
from headrace.domain.errors import HeadraceError
from headrace.domain.question import Answer

AHEAD = 1 << 20  # bytes of answers that a streaming call may be ahead of its client

_ENCODED = {name: RESPONSE + block(((b"grpc-encoding", name.encode()),)) for name in packing.ENCODINGS}
_ENDS = http2.END_HEADERS | http2.END_STREAM
_GOODBYE = Status(Code.UNAVAILABLE, "the server is shutting down")


class Told(Protocol):
    """Who wants to know what becomes of a stream."""

    def settle(self, stream: Stream) -> None:
        """It may be over."""
        ...

    def admitted(self, stream: Stream) -> None:
        """Its caller has shown a key."""
        ...

    def read_on(self, stream: Stream) -> None:
        """Its messages were read, or somebody is done with them: more may come."""
        ...


class Running:
    def __init__(self, desk: Desk, outbox: Outbox, tell: Told) -> None:
        self._desk, self._outbox, self._tell = desk, outbox, tell
        self._turns = Turns()

    def expect(self, stream: Stream, method: Method) -> None:
        """It has begun, and what it says comes now."""
        head = stream.head
        if head.timeout is not None:
            stream.timer = asyncio.get_running_loop().call_later(head.timeout, self.expire, stream)
        if method.in_order:
            stream.turn = self._turns.begin(head.caller)
        if method.streaming is not None:
            self.start(stream, method)

    def start(self, stream: Stream, method: Method) -> None:
        if method.streaming is not None:
            stream.incoming, stream.drained = asyncio.Event(), asyncio.Event()
        elif method.at_once is not None and self._ask_first(stream, method.at_once):
            return
        self._work(stream, self._run(stream, method))

    def _work(self, stream: Stream, work: Coroutine[None, None, None]) -> None:
        """In a task. One that is called off before its first step runs no line of its own, so others see to its end."""
        stream.task = self._desk.group.create_task(work)
        stream.task.add_done_callback(partial(self._worked, stream))

    def _worked(self, stream: Stream, _task: asyncio.Task[None]) -> None:
        stream.task = None
        if not stream.done:  # called off without anybody having said why
            self.refuse(stream, Status(Code.CANCELLED, "the call was called off"))
        self.settle(stream)

    def expire(self, stream: Stream) -> None:
        self.refuse(stream, Status(Code.DEADLINE_EXCEEDED, "Deadline Exceeded"))
        self.call_off(stream)

    def stop(self, stream: Stream) -> None:
        self.refuse(stream, _GOODBYE)
        self.call_off(stream)

    def call_off(self, stream: Stream) -> None:
        """Nobody wants the answer any more."""
        stream.turn.over()
        if stream.timer is not None:
            stream.timer.cancel()
        if stream.ticket is not None:
            at_once = self._desk.methods[stream.head.path].at_once
            assert at_once is not None  # noqa: S101 - it gave the ticket
            at_once.withdraw(stream.ticket)
            stream.ticket = None
            self.settle(stream)
        for task in (stream.task, stream.asking):
            if task is not None:
                task.cancel()

    def settle(self, stream: Stream) -> None:
        self._tell.settle(stream)

    def refuse(self, stream: Stream, why: Status) -> None:
        stream.wasted = True
        self._end(stream, why.code, trailers(why.code, why.message, why.more))

    def refuse_http(self, stream: Stream, code: bytes) -> None:
        """For peers that do not speak gRPC."""
        stream.begun = True
        self._end(stream, Code.UNKNOWN, block(((b":status", code),)))

    def ask(self, stream: Stream, at_once: AtOnce, message: bytes | Slot) -> bool:
        """Without a task. False when this call needs one."""
        try:
            stream.ticket = at_once.ask(stream.head, message, partial(self._told, stream, at_once))
        except Exception as error:  # noqa: BLE001 - as below
            self.refuse(stream, status.of(error))
            return True
        return stream.ticket is not None

    def _ask_first(self, stream: Stream, at_once: AtOnce) -> bool:
        """What came bit by bit. As `ask`."""
        assert stream.inbox is not None  # noqa: S101 - it came bit by bit
        packed, message = stream.inbox.messages[0]
        if packed or stream.head.encoding != "identity" or not self.ask(stream, at_once, message):
            return False
        if not stream.done:
            stream.turn.over()
            stream.inbox.open()
            if not stream.admitted:
                self._tell.admitted(stream)
        return True

    def _told(self, stream: Stream, at_once: AtOnce, told: Answer | HeadraceError) -> None:
        """The end of a call without a task."""
        stream.ticket = None
        said = at_once.said(told)
        if isinstance(said, bytes):
            if stream.peer_done and self._outbox.answer(stream, said):
                self._over(stream, Code.OK)
            else:
                self._send_whole(stream, (packing.PREFIX.pack(0, len(said)), said), "")
            self.settle(stream)
        elif isinstance(said, Exception):
            self.refuse(stream, status.of(said))
        else:
            self._work(stream, self._find(stream, said))

    async def _find(self, stream: Stream, said: Awaitable[bytes]) -> None:
        try:
            await self._answer(stream, await said)
        except Exception as error:  # noqa: BLE001 - as below
            self.refuse(stream, status.of(error))

    async def _run(self, stream: Stream, method: Method) -> None:
        try:
            principal = await self._desk.admit(stream.head, method.actions) if method.actions else NOBODY
            deadline = None if stream.timer is None else stream.timer.when()
            call = Call(principal, stream.head.metadata, deadline, partial(self._grow, stream), stream.turn)
            if method.actions and not stream.admitted:
                self._tell.admitted(stream)
            if method.unary is not None:
                answer = await method.unary(call, await self._opened(stream))
                await self._answer(stream, answer, call.trailing)
            elif method.streaming is not None:
                await method.streaming(call, self._exchange(stream))
                self._end(stream, Code.OK, OK)
        except Exception as error:  # noqa: BLE001 - the last door: whatever it is becomes a status
            self.refuse(stream, status.of(error))

    def _exchange(self, stream: Stream) -> Exchange:
        return Exchange(
            receive=lambda: self._receive(stream),
            done=lambda size: self._shrink(stream, size),
            send=lambda message: self._send(stream, message),
            stopping=lambda: self._desk.draining,
        )

    async def _opened(self, stream: Stream) -> bytes:
        """The next message as its sender meant it."""
        assert stream.inbox is not None  # noqa: S101 - there is one
        packed, message = stream.inbox.open()
        if isinstance(message, Slot):
            return bytes(message.view)
        if not packed:
            return message
        return await packing.unpacked(
            message, stream.head.encoding, self._desk.limits.message, partial(self._hold, stream)
        )

    def _hold(self, stream: Stream, size: int) -> None:
        """Room for what a message grows by. Raises Status."""
        stream.reserved += self._desk.hold(size)

    def _grow(self, stream: Stream, size: int) -> None:
        """As `_hold`, of a message that somebody works on."""
        self._hold(stream, size)
        stream.lent += size

    def _shrink(self, stream: Stream, size: int) -> None:
        stream.lent -= size
        self._tell.read_on(stream)

    async def _answer(self, stream: Stream, message: bytes, trailing: Sequence[tuple[bytes, bytes]] = ()) -> None:
        fields = OK + block(trailing) if trailing else OK
        self._send_whole(stream, *await self._packed(stream, message), fields)

    def _send_whole(self, stream: Stream, payload: tuple[bytes, bytes], encoding: str, fields: bytes = OK) -> None:
        if stream.done:
            return
        first = self._first(stream, encoding)
        last = self._last(stream, fields)
        self._over(stream, Code.OK)
        self._outbox.whole(stream, first, payload, last)

    async def _packed(self, stream: Stream, message: bytes) -> tuple[tuple[bytes, bytes], str]:
        """Its prefix and itself; packed when the request was, and the client reads it."""
        encoding = stream.head.encoding
        if encoding == "identity" or encoding not in _ENCODED or encoding not in stream.head.accepts:
            return (packing.PREFIX.pack(0, len(message)), message), ""
        packed = await packing.packed(message, encoding)
        return (packing.PREFIX.pack(1, len(packed)), packed), encoding

    def _first(self, stream: Stream, encoding: str) -> bytes:
        stream.begun = True
        return http2.frame(http2.HEADERS, http2.END_HEADERS, stream.number, _ENCODED.get(encoding, RESPONSE))

    def _last(self, stream: Stream, fields: bytes) -> bytes:
        """The end of a stream; and when the client is still sending, that it need not go on (RFC 9113, 8.1)."""
        last = http2.frame(http2.HEADERS, _ENDS, stream.number, fields)
        return last if stream.peer_done else last + http2.reset(stream.number, ErrorCode.NO_ERROR)

    def _end(self, stream: Stream, code: Code, fields: bytes) -> None:
        if stream.done:
            return
        last = self._last(stream, fields if stream.begun else RESPONSE + fields)
        self._over(stream, code)
        self._outbox.end(stream, last)
        self.settle(stream)

    def _over(self, stream: Stream, code: Code) -> None:
        stream.done = True
        stream.turn.over()
        if stream.timer is not None:
            stream.timer.cancel()
        self._desk.over(stream.head.path, code, stream.began, self._outbox.peer)

    async def _receive(self, stream: Stream) -> bytes | None:
        """Raises Status: the messages are broken, or the server stops."""
        inbox = stream.inbox
        while inbox is None or not inbox.messages:
            if stream.failure is not None:
                raise stream.failure
            if stream.peer_done:
                return None
            if self._desk.draining:
                raise _GOODBYE
            assert stream.incoming is not None  # noqa: S101 - streaming calls have one
            stream.incoming.clear()
            await stream.incoming.wait()
        message = await self._opened(stream)
        stream.lent += len(message)
        self._tell.read_on(stream)
        return message

    async def _send(self, stream: Stream, message: bytes) -> None:
        payload, encoding = await self._packed(stream, message)
        if stream.done:
            return
        if not stream.begun:
            self._outbox.write(self._first(stream, encoding))
        self._outbox.data(stream, payload)
        assert stream.drained is not None  # noqa: S101 - streaming calls have one
        while stream.queued > AHEAD:
            stream.drained.clear()
            await stream.drained.wait()
