"""What all connections of the fast path share: which URLs are inferences, which host names are ours, what is held."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_to_bytes

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from headrace.api.bodies import Bodies
from headrace.api.errors import Problem
from headrace.api.hosts import SAFE, Names
from headrace.api.oip.errors import JSON
from headrace.api.oip.heads import Heads
from headrace.api.oip.infer import Infer, identifiers
from headrace.settings import Settings
from headrace.telemetry.requests import Requests, Tally

OK = 200
ROUTE = "/v2/models/{model}/infer"  # in the metrics
KNOWN = 4096  # URLs and host names that are remembered
LONGEST_KNOWN = 1024  # bytes of one

_INFER = re.compile(rb"/v2/models/([^/?#]+)(?:/versions/([^/?#]+))?/infer/?(?:\?.*)?", re.DOTALL)

_SAFE = [(name.encode(), value.encode()) for name, value in SAFE]

Target = tuple[str, str | None]


def _length(size: int) -> bytes:
    """The last header of an answer."""
    return b"\r\ncontent-length: %d\r\n\r\n" % size


_LENGTHS = [_length(size) for size in range(1_024)]  # of most answers


class Door:
    """What all connections share."""

    def __init__(self, infer: Infer, settings: Settings, requests: Requests, bodies: Bodies) -> None:
        self.infer, self.requests, self.bodies = infer, requests, bodies
        self._answered: Tally | None = None
        self.deadline = settings.server.body_deadline
        self.body_limit = settings.oip.body_limit
        self.shows_origins = bool(settings.server.origins)  # then answers to browsers need CORS headers: the app's work
        self._base = settings.oip.base_path.rstrip("/").encode()
        self.heads, self.identifiers = Heads(), identifiers()
        self._plain: tuple[object, bytes] = (None, b"")
        self._starts: tuple[object, dict[int, bytes]] = (None, {})
        self._names = Names(settings.server)
        self._hosts: dict[bytes, Problem | None] = {}
        self._targets: dict[bytes, Target | None] = {}

    def target(self, url: bytes) -> Target | None:
        """Model and version of an infer request; None for every other URL."""
        try:
            return self._targets[url]
        except KeyError:
            found = _target(url.removeprefix(self._base))
            _remember(self._targets, url, found)
            return found

    def start(self, status: int, default_headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """Status line and what all answers have: put together once for each list of headers (the date is in it)."""
        of, known = self._starts
        if of is not default_headers:
            known = {}
            self._starts = (default_headers, known)
        found = known.get(status)
        if found is None:
            lines = [b"%b: %b\r\n" % pair for pair in (*default_headers, *_SAFE)]
            found = known[status] = b"".join([STATUS_LINE[status], *lines])
        return found

    def plain(self, identifier: str, body: bytes, default_headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """A whole answer, as nearly all are, on a connection that stays open."""
        of, start = self._plain
        if of is not default_headers:
            start = self.start(OK, default_headers) + b"content-type: %b\r\nx-request-id: " % JSON.encode()
            self._plain = (default_headers, start)
        size = len(body)
        length = _LENGTHS[size] if size < len(_LENGTHS) else _length(size)
        return b"".join((start, identifier.encode(), length, body))

    @property
    def answered(self) -> Tally:
        """Of requests that went well."""
        if self._answered is None:  # there is none before the first of them, which has a line in the metrics then
            self._answered = self.requests.tally(ROUTE, "POST", str(OK))
        return self._answered

    def wrong_host(self, host: bytes) -> Problem | None:
        try:
            return self._hosts[host]
        except KeyError:
            found = None
            try:
                self._names.check(host.decode("latin-1"))
            except Problem as problem:
                found = problem
            _remember(self._hosts, host, found)
            return found


def _target(url: bytes) -> Target | None:
    if (match := _INFER.fullmatch(url)) is None:
        return None
    try:
        name = unquote_to_bytes(match[1]).decode()
        version = None if match[2] is None else unquote_to_bytes(match[2]).decode()
    except UnicodeDecodeError:  # the app says what is wrong with it
        return None
    return None if "\0" in name or "\0" in (version or "") else (name, version)


def _remember(known: dict[bytes, Any], key: bytes, value: object) -> None:
    if len(key) <= LONGEST_KNOWN:
        if len(known) >= KNOWN:
            known.clear()
        known[key] = value
