"""Who may call a server on loopback: only requests that name it by a loopback name. A page elsewhere cannot rebind DNS.

Also the headers that every answer carries.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.api import errors
from headrace.settings import ServerSettings

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

SAFE = (
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-resource-policy", "same-origin"),
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("cache-control", "no-store"),
)


class Names:
    """Bound to loopback, a server answers only to loopback names and to its public_url; otherwise to every name."""

    def __init__(self, settings: ServerSettings) -> None:
        public = urlsplit(settings.public_url).hostname
        self._allowed = LOOPBACK | {settings.host.strip("[]"), *([public] if public else [])}
        self._checks = is_loopback(settings.host)

    def check(self, host: str) -> None:
        """`host`: the header of that name. Raises Problem."""
        if self._checks and host_name(host) not in self._allowed:
            raise errors.Problem(421, f"this server does not answer to the name {host[:100]!r}: set server.public_url")


class Hosts:
    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app, self._names = app, Names(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = _with_headers(send)
        try:
            self._names.check(Headers(scope=scope).get("host", ""))
        except errors.Problem as problem:
            await errors.answer(problem)(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """The name in a Host header, without port and brackets, in lower case; "" for something that is no host."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _with_headers(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            for name, value in SAFE:
                headers.setdefault(name, value)
        await send(message)

    return guarded
