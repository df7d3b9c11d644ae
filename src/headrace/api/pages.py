"""What is not under /api: a page for people, signs of life for machines, and the documentation."""

from collections.abc import Awaitable, Callable, Iterable
from html import escape
from typing import Any

import msgspec
from starlette.responses import HTMLResponse, Response

from headrace.api import openapi
from headrace.api.endpoint import Call, Endpoint, NoQuery, Row
from headrace.domain.errors import Unavailable

Ready = Callable[[], bool]  # whether the server can work: false while it starts and once it stops


class Alive(msgspec.Struct):
    status: str = "ok"


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:3rem auto;padding:0 1rem}"
    "code{background:#8882;padding:.1em .3em;border-radius:3px}td,th{text-align:left;padding:.2em 1em .2em 0;"
    "vertical-align:top}:root{color-scheme:light dark}"
)


class Pages:
    """The document is made when it is first asked for: most servers are never asked."""

    def __init__(self, rows: Iterable[Row], ready: Ready) -> None:
        self._rows, self._ready = [*rows, *self.rows()], ready
        self._document: bytes | None = None

    def rows(self) -> list[Row]:
        return [
            _page("/", "A page for people", self.home, "text/html"),
            _page("/api", "A page for people", self.home, "text/html"),
            _page("/api/docs", "All routes on one page", self.docs, "text/html"),
            _page("/api/openapi.json", "This document", self.openapi, "application/json"),
            Endpoint("GET", "/livez", "The process lives", None, self.livez, answer=Alive),
            Endpoint("GET", "/readyz", "The server can work", None, self.readyz, answer=Alive),
        ]

    async def home(self, _call: Call[NoQuery, None]) -> Response:
        return HTMLResponse(
            _html(
                "Headrace",
                "<p>This server runs models. Its API lives under <code>/api</code>; every request there carries the"
                " header <code>Authorization: ApiKey prefix.body</code>.</p>"
                '<p><a href="/api/docs">All routes</a> · <a href="/api/openapi.json">OpenAPI document</a></p>',
            )
        )

    async def docs(self, _call: Call[NoQuery, None]) -> Response:
        lines = "".join(
            f"<tr><td><code>{row.method}</code></td><td><code>{escape(row.path)}</code></td>"
            f"<td>{escape(row.summary)}</td><td>{escape(' or '.join(row.actions)) or 'public'}</td></tr>"
            for row in self._rows
        )
        table = f"<table><tr><th>Method</th><th>Path</th><th>What</th><th>Needs a key that may</th></tr>{lines}</table>"
        return HTMLResponse(_html("Headrace: routes", table))

    async def openapi(self, _call: Call[NoQuery, None]) -> Response:
        if self._document is None:
            self._document = msgspec.json.encode(openapi.document(self._rows))
        return Response(self._document, media_type="application/json")

    async def livez(self, _call: Call[NoQuery, None]) -> Alive:
        return Alive()

    async def readyz(self, _call: Call[NoQuery, None]) -> Alive:
        if not self._ready():
            raise Unavailable("the server is starting or stopping")
        return Alive()


def _page(path: str, summary: str, handler: Callable[[Call[Any, Any]], Awaitable[Any]], media_type: str) -> Row:
    return Endpoint("GET", path, summary, None, handler, media_type=media_type)


def _html(title: str, content: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style><h1>{title}</h1>{content}</html>'
    )
