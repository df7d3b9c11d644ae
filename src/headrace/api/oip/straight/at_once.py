"""Answers inference requests without a coroutine, when everything that is asked of them first is known from memory.

A request behind a known head (heads.py) from a known caller (permits.py): its body is collected without the parser, the
question is in its queue before the call ends that brings the last of it, and the answer is written in the call in which
the replica's answer arrives. All else takes the way of fast.py, which also answers the first of each kind, so that the
next ones are known.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from headrace.api.bodies import Bodies
from headrace.api.drain import goodbye
from headrace.api.limits import SLOWEST
from headrace.api.oip import compress
from headrace.api.oip.heads import Head, head_of, worth_keeping
from headrace.api.oip.infer import Asked, Infer, Reply, caller_of, plain, refused
from headrace.api.oip.straight.door import ROUTE, Door
from headrace.api.oip.straight.exchange import Exchange
from headrace.api.oip.straight.http import LARGE, FastHttp, Waiting, too_slow
from headrace.api.oip.straight.receiving import Receiving
from headrace.domain.body import Slot
from headrace.domain.errors import HeadraceError, Unavailable
from headrace.domain.question import Answer
from headrace.inference.ask import Ticket
from headrace.settings import Settings
from headrace.telemetry.requests import Requests

OK = 200


def protocol(infer: Infer, settings: Settings, requests: Requests, bodies: Bodies) -> type[HttpToolsProtocol]:
    """For uvicorn.Config(http=…), which takes a class."""
    return type("Connection", (AtOnceHttp,), {"door": Door(infer, settings, requests, bodies)})


class AtOnce:
    """A request on its way. To uvicorn it is a cycle."""

    message_event = Exchange.message_event
    # so it is with most, from beginning to end
    complete = keep_alive = True
    response_complete = disconnected = False
    ticket: Ticket | None = None
    pieces: list[bytes]  # of a body that is not complete
    slot: Slot | None = None  # where a large body is received instead
    have = held = 0  # bytes of a body that is not complete, and those that count against the limit of all connections

    def __init__(self, head: Head, arrived: float, identifier: str) -> None:
        self.head, self.arrived, self.identifier = head, arrived, identifier


class AtOnceHttp(FastHttp):
    __slots__ = ("_asked", "_before", "_begun", "_new")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._asked: AtOnce | None = None  # what has no answer yet
        self._before: Head | None = None  # of the last request: most connections say the same again and again
        self._new: tuple[Exchange, bytes] | None = None  # whose head may be worth remembering
        self._begun = 0  # messages that began in this piece of data

    def data_received(self, data: bytes) -> None:
        asked, before = self._asked, self.cycle
        if asked is not None and not asked.complete:
            self._collect(asked, data)
            return
        between = self._head_since is None and (before is None or before.response_complete)
        if not between or self._lingering or self._stopping or self.flow.write_paused:
            super().data_received(data)
            return
        head = self._before
        if head is None or not data.startswith(head.data):
            head = self._before = self.door.heads.find(data)
        if head is None or not self._begin(head, data):
            self._begun = 0
            super().data_received(data)
            if self.cycle is not before and self._begun == 1:
                self._look_at(data)

    def connection_lost(self, exc: Exception | None) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.disconnected = True
            if asked.ticket is not None:
                self.door.infer.withdraw(asked.ticket)
            self._let_go(asked)
        super().connection_lost(exc)

    def _body_comes(self) -> bool:
        return super()._body_comes() if self._asked is None else not self._asked.complete

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun += 1

    def comes_again(self) -> bool:
        self._begun -= 1
        return super().comes_again()

    def send_400_response(self, msg: str) -> None:
        """The answer that is owed comes first, and is the last."""
        if self._asked is None:
            super().send_400_response(msg)
        else:
            self._asked.keep_alive = False
            self.flow.pause_reading()

    def _begin(self, head: Head, data: bytes) -> bool:
        """False when it needs more than a look into memory, or is more than one request."""
        start = len(head.data)
        missing = start + head.length - len(data)
        if missing < 0 or self._crowded:
            return False
        self._last = self.loop.time()
        asked = AtOnce(head, self._last, next(self.door.identifiers))
        if not missing:
            return self._ask(asked, data[start:])
        bodies = self.door.bodies
        if not self.door.infer.permitted(head) or not bodies.take(head.length):
            return False
        asked.held, asked.complete = head.length, False
        asked.have = len(data) - start
        asked.slot = self.door.infer.place(head) if self.scheme == "http" else None
        if asked.slot is None:
            asked.pieces = [data[start:]]
        else:
            asked.slot.view[: asked.have] = memoryview(data)[start:]
            self._read_into(Receiving(self, asked.slot, asked.have))
        self.cycle = self._asked = asked
        return True

    def _read_into(self, protocol: asyncio.BaseProtocol) -> None:
        """A transport asks anew who reads when reading begins anew."""
        self.transport.pause_reading()
        self.transport.set_protocol(protocol)
        self.transport.resume_reading()

    def received(self, count: int) -> None:
        """More of a body, in its slot."""
        asked = self._asked
        if asked is None or asked.slot is None:
            return
        self._last = self.loop.time()
        asked.have += count
        if asked.have == asked.head.length:
            slot, asked.slot = asked.slot, None
            self._read_into(self)
            self._ask_whole(asked, slot)

    def _collect(self, asked: AtOnce, data: bytes) -> None:
        """More of a body. What comes behind it is the parser's again."""
        self._last = self.loop.time()
        missing = asked.head.length - asked.have
        rest = data[missing:] if len(data) > missing else b""
        asked.pieces.append(data[:missing] if rest else data)
        asked.have += len(data)
        if len(data) < missing:
            return
        body = b"".join(asked.pieces)
        asked.pieces = []
        self._ask_whole(asked, body)
        if rest:
            self.data_received(rest)

    def _ask_whole(self, asked: AtOnce, body: bytes | Slot) -> None:
        asked.complete = True
        if not self._ask(asked, body):
            self._ask_later(asked, bytes(body.view) if isinstance(body, Slot) else body)

    def _ask(self, asked: AtOnce, body: bytes | Slot) -> bool:
        """False when it needs more than a look into memory."""
        try:
            asked.ticket = self.door.infer.at_once(asked.head, body, asked.identifier, partial(self._told, asked))
        except Unavailable as error:
            self.cycle = self._asked = asked
            self._reply(asked, refused(error, asked.identifier))
            return True
        if asked.ticket is None:
            return False
        self.cycle = self._asked = asked
        return True

    def _ask_later(self, asked: AtOnce, body: bytes) -> None:
        """By a coroutine: what was known when the body began is not known any more, or it says more than most."""
        self._start(self._answer_later(asked, body))

    async def _answer_later(self, asked: AtOnce, body: bytes) -> None:
        async def whole() -> bytes:
            return body

        head = asked.head
        async with self._ending(asked):
            with self.door.bodies.room() as room:
                said = Asked(head.name, head.version, head.headers, whole, room)
                self._reply(asked, await self.door.infer.reply(said))

    def _told(self, asked: AtOnce, said: Answer | HeadraceError) -> None:
        """Most answers are plain ones, on connections where nothing else is going on."""
        body = plain(asked.head, said)
        busy = self._stopping or self.pipeline or self.flow.read_paused or self.transport.is_closing()
        if body is None or len(body) >= LARGE or busy or not asked.keep_alive:
            self._told_more(asked, said)
            return
        self._asked = asked.ticket = None
        if asked.held:
            self._let_go(asked)
        self.transport.write(self.door.plain(asked.identifier, body, self.server_state.default_headers))
        self.door.answered.over(asked.arrived, path=asked.head.path, peer=self.client)
        asked.response_complete = True
        self.server_state.total_requests += 1
        self._idle_since = self.loop.time()

    def _told_more(self, asked: AtOnce, said: Answer | HeadraceError) -> None:
        try:
            reply = self.door.infer.told(asked.head, said, asked.identifier)
        except Exception as error:  # noqa: BLE001 - the last door: whatever it is becomes JSON
            reply = refused(error, asked.identifier)
        if reply is not None:
            self._reply(asked, reply)
        elif isinstance(said, Answer):
            self._start(self._reply_later(asked, said))

    async def _reply_later(self, asked: AtOnce, said: Answer) -> None:
        async with self._ending(asked):
            self._reply(asked, await self.door.infer.reply_to(asked.head.headers, said, asked.identifier))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    @asynccontextmanager
    async def _ending(self, asked: AtOnce) -> AsyncIterator[None]:
        try:
            yield
        finally:
            self._task = None
            self._let_go(asked)
            if not asked.response_complete:  # the server's patience has ended
                asked.response_complete = True
                self._asked = None
                self._break_off(asked, said=False)

    def finish(self) -> None:
        """Also to who waits for an answer without a task."""
        asked = self._asked
        if asked is not None and asked.ticket is not None:
            self.door.infer.withdraw(asked.ticket)
            asked.keep_alive = False
            self._reply(asked, refused(goodbye(), asked.identifier))

    def _let_go(self, asked: AtOnce) -> None:
        """Its body is not ours any more. The ticket knows the request, too: neither would go without the other."""
        self.door.bodies.give_back(asked.held)
        asked.held, asked.pieces, asked.slot, asked.ticket = 0, [], None, None

    def _reply(self, asked: AtOnce, reply: Reply) -> None:
        self._asked = None
        self._let_go(asked)
        self._write(asked, reply)
        path, status = asked.head.path, str(reply.status)
        self.door.requests.over(ROUTE, "POST", status, asked.arrived, path=path, peer=self.client)
        asked.response_complete = True
        if not asked.keep_alive:
            self.transport.close()
        self.on_response_complete()

    # what is remembered

    def _look_at(self, data: bytes) -> None:
        """One request has begun, perhaps with a head that may come again."""
        exchange, head = self.cycle, head_of(data)
        if type(exchange) is Exchange and head is not None and not exchange.response_complete:
            good = exchange.refused is None and exchange.keep_alive and worth_keeping(exchange.headers)
            self._new = (exchange, head) if good else None

    def _write(self, exchange: Waiting, reply: Reply) -> None:
        if self._new is not None and self._new[0] is exchange:
            (one, head), self._new = self._new, None
            if reply.status == OK and one.error is None and one.headers.get(b"content-length") == b"%d" % one.size:
                self.door.heads.keep(_head(head, one, self.door.infer.meta(one.headers, one.name)))
        super()._write(exchange, reply)

    # the watch

    def _due(self) -> tuple[float | None, Callable[[], None]]:
        asked, deadline = self._asked, self.door.deadline
        if asked is None or asked.complete:
            return super()._due()
        due = min(self._last + deadline, asked.arrived + deadline + asked.have / SLOWEST)
        return due, lambda: self._never_comes(asked)

    def _never_comes(self, asked: AtOnce) -> None:
        asked.keep_alive = False
        self._asked = None
        if asked.slot is not None:
            self._read_into(self)
        self._let_go(asked)
        self._write(asked, refused(too_slow(self.door.deadline), asked.identifier))
        asked.response_complete = True
        self._linger()


def _head(data: bytes, exchange: Exchange, meta: Mapping[str, str]) -> Head:
    headers = exchange.headers
    return Head(
        data=data,
        path=exchange.path,
        name=exchange.name,
        version=exchange.version,
        caller=caller_of(headers),
        headers=headers,
        meta=meta,
        length=exchange.size,
        json_length=max(0, int(meta["json"])) if "json" in meta else None,
        accepts_packed=compress.wanted(headers) is not None,
    )
