"""uvicorn's HTTP protocol, but that no request is answered in another one: `Upgrade` is ignored (RFC 9110, 7.8).

The parser takes what follows the head of a request for an upgrade to be in the other protocol already: a body is lost,
or read as the next request. JDK's HttpClient and `curl --http2` ask for an upgrade by themselves. So the parser gets
such a head once more without the header, and then what follows it.
"""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

INVALID = "Invalid HTTP request received."


class Http1(HttpToolsProtocol):
    __slots__ = ("_again",)

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self._again: bytes | None = None  # a head that the parser is to get once more

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

    def _should_upgrade(self) -> bool:
        return False
