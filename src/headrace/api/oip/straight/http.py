"""The fast path: uvicorn's HTTP protocol, which answers POST …/infer itself and leaves everything else to the app.

It keeps what the app's way has: keys, host names, limits of size and patience, keep-alive, pipelining in order,
back-pressure both ways, and a drain at the end. Beside that it watches every connection, the app's too: a head or a
body that drips, an answer that nobody reads, a connection that idles.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from headrace.api.crowd import BUSY
from headrace.api.drain import goodbye
from headrace.api.errors import Problem
from headrace.api.http1 import Http1
from headrace.api.limits import LINGER, LINGER_BYTES, SLOWEST
from headrace.api.oip.infer import Asked, Reply, refused
from headrace.api.oip.straight.door import ROUTE, Door
from headrace.api.oip.straight.exchange import Exchange
from headrace.api.unread import Taken, unread
from headrace.domain.errors import Invalid, TooLarge, Unavailable

LONGEST_HEAD = 64 * 1024  # bytes of a request line and its headers, beyond the first piece
LARGE = 32 * 1024  # bytes; larger answers are not copied behind their head
GRACE = 0.5  # seconds that an idle connection stays open at the end: a request may be on its way


class Waiting(Protocol):
    """A request that has no answer yet."""

    complete: bool
    disconnected: bool
    keep_alive: bool
    response_complete: bool


class FastHttp(Http1):
    # what is looked at for every request is found faster in a slot than among the many attributes of uvicorn's class
    __slots__ = (
        "_head_since", "_head_size", "_last", "_linger_size", "_lingering", "_running", "_stopping",
        "_taken", "_task", "_watch",
    )  # fmt: skip
    door: ClassVar[Door]
    cycle: Any  # the request that came last: an Exchange, or uvicorn's own
    pipeline: deque[Any]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._stopping = self._lingering = False
        self._running: Exchange | None = None  # the one that is being answered
        self._task: asyncio.Task[None] | None = None  # that does it
        self._head_since: float | None = None  # when the head began that is not complete
        self._head_size = self._linger_size = 0
        self._last = self._idle_since  # when bytes came
        self._taken = Taken()  # of the answer that is on its way
        self._watch: asyncio.TimerHandle | None = None

    # connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch = self.loop.call_later(self.door.deadline, self._look)

    def spare_since(self) -> float | None:
        """Also in the middle of a request that has stopped coming."""
        if self._head_since is None and not self._body_comes():
            return super().spare_since()
        return None if self.flow.read_paused or self.transport.is_closing() else self._last

    def _body_comes(self) -> bool:
        """Whether the last request is one of ours that is not here yet."""
        cycle = self.cycle
        return isinstance(cycle, Exchange) and not cycle.complete and not cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        for exchange in (self._running, self.cycle, *(waiting for waiting, _ in self.pipeline)):
            if isinstance(exchange, Exchange) and not exchange.response_complete:
                exchange.disconnected = True
                exchange.fail(ClientDisconnect())
                exchange.room.give_back()
        if self._task is not None:
            self._task.cancel()  # nobody waits for this answer any more
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._last = self.loop.time()
        if self._lingering:
            self._linger_size += len(data)
            if self._linger_size > LINGER_BYTES:
                self.transport.close()
            if self._head_since is not None:  # it was refused
                return
        before = self._head_since
        super().data_received(data)
        if before is not None and self._head_since == before:
            self._head_size += len(data)
            if self._head_size > LONGEST_HEAD:
                self._refuse_head(Problem(431, f"the request's head is larger than {LONGEST_HEAD} bytes"))

    def resume_writing(self) -> None:
        """Most of what was owed has gone, and more of it may come."""
        self._taken.anew()
        super().resume_writing()

    def shutdown(self) -> None:
        """Answers that are owed are given, with Connection: close. An idle connection gets a moment: see GRACE."""
        self._stopping = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(GRACE, self._close_if_idle)
        elif not isinstance(self.cycle, Exchange):
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """The bytes are not HTTP. Answers that are owed come first."""
        cycle = self.cycle
        if self._lingering:
            return
        if cycle is None or cycle.response_complete:
            self._refuse(Invalid(msg))
            return
        cycle.keep_alive = False
        self.flow.pause_reading()
        wrong = Invalid("the body is not what its head says: " + msg)
        if isinstance(cycle, Exchange):
            cycle.fail(wrong)
            self._start_if_due(cycle)
        elif cycle.more_body and not cycle.response_started:
            cycle.disconnected = True  # the app has nothing to say to it any more
            cycle.message_event.set()
            self._refuse(wrong)

    # one request, as the parser sees it

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._head_since, self._head_size = self._last, 0

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self.comes_again():
            return
        self._head_since = None
        target = self.door.target(self.url)
        if target is None or self.parser.get_method() != b"POST":
            self._leave_to_app()
            return
        headers = dict(reversed(self.headers))  # the first of equals counts, as in the app
        if self.door.shows_origins and b"origin" in headers:
            self._leave_to_app()
            return
        before = self.cycle
        exchange = self.cycle = Exchange(target, headers, self._last, self._read_rest, self.door.bodies.room())
        exchange.keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        exchange.expects = self.expect_100_continue
        exchange.path = self.url.decode("latin-1")
        self._check(exchange)
        if before is None or before.response_complete:
            exchange.turn = True
            self._start_if_due(exchange)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def on_body(self, body: bytes) -> None:
        exchange = self.cycle
        if type(exchange) is not Exchange:
            super().on_body(body)
            return
        if exchange.response_complete or exchange.error is not None:
            return
        exchange.add(body)
        try:
            self._count(exchange, len(body))
        except (TooLarge, Unavailable) as error:
            exchange.fail(error)
        else:
            if exchange.size <= HIGH_WATER_LIMIT:
                return
            if exchange.waiter is None:  # nobody knows yet who it is, or it is not its turn
                self.flow.pause_reading()
        self._start_if_due(exchange)

    def _count(self, exchange: Exchange, more: int) -> None:
        """Raises TooLarge, Unavailable."""
        if exchange.size > self.door.body_limit:
            raise _too_large(self.door.body_limit)
        exchange.room.grow(more)

    def on_message_complete(self) -> None:
        exchange = self.cycle
        if type(exchange) is not Exchange or self._again is not None:
            super().on_message_complete()
        elif exchange.response_complete:
            self.transport.close()  # it was refused before it was here, and the rest has been read
        else:
            exchange.end()
            self._start_if_due(exchange)

    def on_response_complete(self) -> None:
        """Also of the app's answers. The next request of this connection, if it is here already."""
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self._lingering:
            return
        self._idle_since = self.loop.time()
        if not self.pipeline:
            self.flow.resume_reading()
            return
        cycle, app = self.pipeline.pop()
        if not self.pipeline:  # else there is enough to do
            self.flow.resume_reading()
        if isinstance(cycle, Exchange):
            cycle.turn = True
            self._start_if_due(cycle)
        else:
            self._start_asgi_task(cycle, app)

    def _leave_to_app(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()
        if self._stopping and self.cycle is not None:
            self.cycle.keep_alive = False
        self.refuse_if_crowded()

    def _check(self, exchange: Exchange) -> None:
        """What is wrong with the head alone."""
        headers = exchange.headers
        exchange.refused = self.door.wrong_host(headers.get(b"host", b""))
        if self._crowded:
            exchange.refused = Unavailable(BUSY)
            exchange.keep_alive = False
        if int(headers.get(b"content-length", b"0")) > self.door.body_limit:
            exchange.error = _too_large(self.door.body_limit)

    # its answer

    def _start_if_due(self, exchange: Exchange) -> None:
        """When it is here, or when we must know more about it before we read on."""
        if exchange.started or not exchange.turn:
            return
        here = exchange.complete or exchange.error is not None or exchange.refused is not None
        if here or exchange.expects or exchange.size > HIGH_WATER_LIMIT:
            exchange.started = True
            self._running = exchange
            task = self._task = self.loop.create_task(self._answer(exchange))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _answer(self, exchange: Exchange) -> None:
        reply: Reply | None = None
        try:
            if exchange.refused is not None:
                reply = refused(exchange.refused)
            else:
                reply = await self.door.infer.reply(
                    Asked(exchange.name, exchange.version, exchange.headers, exchange.body, exchange.room)
                )
            self._write(exchange, reply)
            path, status = exchange.path, str(reply.status)
            self.door.requests.over(ROUTE, "POST", status, exchange.arrived, path=path, peer=self.client)
            if self.flow.write_paused and not exchange.disconnected:
                await self.flow.drain()
            self._finish(exchange)
        finally:
            self._running = self._task = None
            exchange.room.give_back()
            if not exchange.response_complete:  # the server's patience has ended
                exchange.response_complete = True
                self._break_off(exchange, said=reply is not None)

    def _break_off(self, exchange: Waiting, *, said: bool) -> None:
        """At the end of a drain. `said`: its answer is on its way, to a client that does not read it."""
        if said or exchange.disconnected:
            self.transport.abort()
            return
        exchange.keep_alive = False
        self._write(exchange, refused(goodbye()))
        self.transport.close()

    async def _read_rest(self, exchange: Exchange) -> None:
        if exchange.disconnected:
            raise ClientDisconnect
        if exchange.expects and not exchange.size:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        exchange.waiter = self.loop.create_future()
        self._last = self.loop.time()
        self.flow.resume_reading()
        await exchange.waiter

    def _write(self, exchange: Waiting, reply: Reply) -> None:
        if exchange.disconnected or self.transport.is_closing():
            return
        if not exchange.complete or (self._stopping and not self.pipeline):
            exchange.keep_alive = False
        parts = [self.door.start(reply.status, self.server_state.default_headers)]
        parts += [b"%b: %b\r\n" % pair for pair in reply.headers]
        if not exchange.keep_alive:
            parts.append(b"connection: close\r\n")
        parts.append(b"content-length: %d\r\n\r\n" % len(reply.body))
        if len(reply.body) < LARGE:
            parts.append(reply.body)
            self.transport.write(b"".join(parts))
        else:
            self.transport.writelines((b"".join(parts), reply.body))

    def _finish(self, exchange: Exchange) -> None:
        exchange.response_complete = True
        exchange.drop()
        if not exchange.keep_alive and not exchange.disconnected:
            if exchange.complete or exchange.expects:
                self.transport.close()
            else:  # whoever sends first and listens then should get to hear the refusal
                self._linger()
        self.on_response_complete()

    # the watch

    def _look(self) -> None:
        """Once in a while. Times are not kept to the second, and no timer is set for a request that goes well."""
        at, leaving = self.loop.time(), self.transport.is_closing() or self._lingering
        owed = unread(self.transport) if self.flow.write_paused or leaving else 0
        if self._taken.too_slowly(owed, at, self.door.deadline):
            self.transport.abort()
            return
        due, give_up = (None, self.transport.close) if leaving else self._due()
        if due is not None and due <= at:
            give_up()
        wait = self.door.deadline if due is None or due <= at else min(self.door.deadline, due - at)
        self._watch = self.loop.call_later(wait, self._look)

    def _due(self) -> tuple[float | None, Callable[[], None]]:
        """Until when something must have happened, and what happens otherwise."""
        deadline, cycle = self.door.deadline, self.cycle
        if self._head_since is not None:
            problem = Problem(408, f"the request's head came too slowly: not within {deadline:g} seconds")
            return self._head_since + deadline, lambda: self._refuse_head(problem)
        if cycle is None or cycle.response_complete:
            return self._idle_since + self.timeout_keep_alive, self.transport.close
        if isinstance(cycle, Exchange) and not cycle.complete and not self.flow.read_paused:
            due = min(self._last + deadline, cycle.arrived + deadline + cycle.size / SLOWEST)
            return due, lambda: self._too_slow(cycle)
        return None, self.transport.close

    def _too_slow(self, exchange: Exchange) -> None:
        exchange.expects = True  # no use to wait for the rest
        exchange.fail(too_slow(self.door.deadline))
        self._start_if_due(exchange)

    def _refuse_head(self, problem: Problem) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._refuse(problem)
        else:
            self.transport.close()

    def _refuse(self, error: Exception) -> None:
        """What has no cycle of its own."""
        reply = refused(error)
        head = [self.door.start(reply.status, []), *(b"%b: %b\r\n" % pair for pair in reply.headers)]
        end = b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(reply.body)
        self.transport.write(b"".join([*head, end, reply.body]))
        self._linger()

    def _linger(self) -> None:
        """Says that it was the last answer, reads on for a while and throws away (RFC 9112, 9.6).

        Closing at once could take the answer with it.
        """
        self._lingering = True
        if self.transport.can_write_eof():  # TLS cannot
            self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(LINGER, self.transport.close)

    def _close_if_idle(self) -> None:
        idle = self._head_since is None and (self.cycle is None or self.cycle.response_complete)
        if idle and not self.transport.is_closing():
            self.transport.close()


def too_slow(deadline: float) -> Problem:
    return Problem(408, f"the body came too slowly: nothing for {deadline:g} seconds")


def _too_large(at_most: int) -> TooLarge:
    return TooLarge(f"the body is larger than the {at_most} bytes allowed here (oip.body_limit)")
