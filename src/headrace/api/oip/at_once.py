"""Answers inference requests without a coroutine, when everything that is asked of them first is known from memory.

A request behind a known head (heads.py) from a known caller (permits.py): its body is collected without the parser, the
question is in its queue before the call ends that brings the last of it, and the answer is written in the call in which
the replica's answer arrives. All else takes the way of fast.py, which also answers the first of each kind, so that the
next ones are known.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from headrace.api.limits import SLOWEST
from headrace.api.oip import compress
from headrace.api.oip.exchange import Exchange
from headrace.api.oip.fast import ROUTE, FastHttp, Waiting, too_slow
from headrace.api.oip.fast_door import Door
from headrace.api.oip.heads import Head, head_of, worth_keeping
from headrace.api.oip.infer import Asked, Infer, Reply, caller_of, meta_of, new_identifier, refused
from headrace.domain.errors import HeadraceError, Unavailable
from headrace.domain.question import Answer
from headrace.inference.ask import Ticket
from headrace.settings import Settings
from headrace.telemetry.requests import Requests

OK = 200


def protocol(infer: Infer, settings: Settings, requests: Requests) -> type[HttpToolsProtocol]:
    """For uvicorn.Config(http=…), which takes a class."""
    return type("Connection", (AtOnceHttp,), {"door": Door(infer, settings, requests)})


class AtOnce:
    """A request on its way. To uvicorn it is a cycle."""

    __slots__ = (
        "arrived", "complete", "connection", "disconnected", "have", "head", "held", "identifier", "keep_alive",
        "pieces", "response_complete", "ticket",
    )  # fmt: skip
    message_event = Exchange.message_event

    def __init__(self, connection: "AtOnceHttp", head: Head, arrived: float) -> None:
        self.connection, self.head, self.arrived = connection, head, arrived
        self.identifier = new_identifier()
        self.complete = self.keep_alive = True
        self.response_complete = self.disconnected = False
        self.ticket: Ticket | None = None
        self.pieces: list[bytes] = []  # of a body that is not complete
        self.have = self.held = 0  # bytes of it, and those that count against the limit of all connections together

    def told(self, said: Answer | HeadraceError) -> None:
        self.connection.told(self, said)


class AtOnceHttp(FastHttp):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._asked: AtOnce | None = None  # what has no answer yet
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
        found = self.door.heads.find(data)
        if found is None or not self._begin(*found, data):
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

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun += 1

    def send_400_response(self, msg: str) -> None:
        """The answer that is owed comes first, and is the last."""
        if self._asked is None:
            super().send_400_response(msg)
        else:
            self._asked.keep_alive = False
            self.flow.pause_reading()

    def _begin(self, head: Head, start: int, data: bytes) -> bool:
        """False when it needs more than a look into memory, or is more than one request."""
        missing = head.length - (len(data) - start)
        if missing < 0 or (self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency):
            return False
        self._last = self.loop.time()
        asked = AtOnce(self, head, self._last)
        if not missing:
            return self._ask(asked, data[start:])
        if self.door.held + head.length > self.door.bodies_limit or not self.door.infer.permitted(head):
            return False
        self.door.held += head.length
        asked.held, asked.complete = head.length, False
        asked.pieces, asked.have = [data[start:]], len(data) - start
        self.cycle = self._asked = asked
        return True

    def _collect(self, asked: AtOnce, data: bytes) -> None:
        """More of a body. What comes behind it is the parser's again."""
        self._last = self.loop.time()
        missing = asked.head.length - asked.have
        rest = data[missing:] if len(data) > missing else b""
        asked.pieces.append(data[:missing] if rest else data)
        asked.have += len(data)
        if len(data) < missing:
            return
        asked.complete = True
        body = b"".join(asked.pieces)
        asked.pieces = []
        if not self._ask(asked, body):
            self._ask_later(asked, body)
        if rest:
            self.data_received(rest)

    def _ask(self, asked: AtOnce, body: bytes) -> bool:
        """False when it needs more than a look into memory."""
        try:
            asked.ticket = self.door.infer.at_once(asked.head, body, asked.identifier, asked.told)
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
            self._reply(asked, await self.door.infer.reply(Asked(head.name, head.version, head.headers, whole)))

    def told(self, asked: AtOnce, said: Answer | HeadraceError) -> None:
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
                self.transport.abort()

    def _let_go(self, asked: AtOnce) -> None:
        """Its body is not ours any more. The ticket knows the request, too: neither would go without the other."""
        self.door.held -= asked.held
        asked.held, asked.pieces, asked.ticket = 0, [], None

    def _reply(self, asked: AtOnce, reply: Reply) -> None:
        self._asked = None
        self._let_go(asked)
        self._write(asked, reply)
        self.door.requests.over(ROUTE, "POST", str(reply.status), asked.arrived, peer=self.client)
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
                self.door.heads.keep(head, _head(one))
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
        self._let_go(asked)
        self._write(asked, refused(too_slow(self.door.deadline), asked.identifier))
        asked.response_complete = True
        self._linger()


def _head(exchange: Exchange) -> Head:
    headers = exchange.headers
    meta = meta_of(headers, exchange.name)
    return Head(
        name=exchange.name,
        version=exchange.version,
        caller=caller_of(headers),
        headers=headers,
        meta=meta,
        length=exchange.size,
        json_length=max(0, int(meta["json"])) if "json" in meta else None,
        accepts_packed=compress.chosen(headers.get(b"accept-encoding", b"").decode("latin-1")) is not None,
    )
