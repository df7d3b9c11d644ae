"""uvicorn's HTTP protocol, but that no request is answered in another one: `Upgrade` is ignored (RFC 9110, 7.8).

The parser takes what follows the head of a request for an upgrade to be in the other protocol already: a body is lost,
or read as the next request. JDK's HttpClient and `curl --http2` ask for an upgrade by themselves. So the parser gets
such a head once more without the header, and then what follows it.

And who has a place at all is not decided as uvicorn does it, which refuses everybody once there are too many: see
crowd.py.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from headrace.api.crowd import CROWDED, room_among

INVALID = "Invalid HTTP request received."


class Http1(HttpToolsProtocol):
    __slots__ = ("_again", "_crowded", "_idle_since", "_most")
    cycle: Any  # the request that came last

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self._again: bytes | None = None  # a head that the parser is to get once more
        self._most, self.limit_concurrency = self.limit_concurrency, None
        self._crowded = False  # it is one too many
        self._idle_since = self.loop.time()  # when the last answer was complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if self._most is not None and len(self.connections) >= self._most:
            self._crowded = not room_among(self.connections, self.loop.time())  # type: ignore[arg-type]
        super().connection_made(transport)

    def spare_since(self) -> float | None:
        """See Guest. One that is closing makes room by itself; one that still reads its answer is not through."""
        idle = self.cycle is None or self.cycle.response_complete
        gone = self.transport.is_closing() or self.transport.get_write_buffer_size()
        return self._idle_since if idle and not gone else None

    def make_room(self) -> None:
        self.connections.discard(self)  # now, not when its end is told: it counts no more
        self.transport.close()

    def finish(self) -> None:
        """At the end of a drain, when there is no more time. Tasks see to themselves."""

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._go_on(memoryview(data)[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.logger.warning(INVALID)
            self.send_400_response(INVALID)

    def _go_on(self, rest: memoryview) -> None:
        while (head := self._again) is not None:  # None: CONNECT, and the rest is for somebody else
            self._again = None
            try:
                self.parser.feed_data(head)
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self.comes_again():
            return
        super().on_headers_complete()
        if self.parser.should_upgrade():
            self.cycle.keep_alive = False  # CONNECT
        self.refuse_if_crowded()

    def on_message_complete(self) -> None:
        if self._again is None:
            super().on_message_complete()

    def comes_again(self) -> bool:
        """Whether this head, which asks for an upgrade, will be here once more without it."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            return False
        lines = [b"%b: %b\r\n" % pair for pair in self.headers if pair[0] != b"upgrade"]
        start = b"%b %b HTTP/%b\r\n" % (method, self.url, self.parser.get_http_version().encode())
        self._again = b"".join([start, *lines, b"\r\n"])
        return True

    def refuse_if_crowded(self) -> None:
        """The request that has just begun is told so by its door: the app's task starts a turn later."""
        if self._crowded:
            self.scope[CROWDED] = True  # type: ignore[literal-required]
            self.cycle.keep_alive = False

    def _should_upgrade(self) -> bool:
        return False
