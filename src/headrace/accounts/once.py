"""Idempotency-Key: a request that makes something is carried out once, however often it is sent.

The key belongs to its user and to one request: route, path and body. What the request makes is noted in the very
transaction that makes it, so that a crash before the answer is kept makes no second one. Only successes are kept:
after an error nothing was made, and the same request may be sent again.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from headrace import faults
from headrace.accounts import once_rows
from headrace.accounts.once_rows import Entry
from headrace.domain.account import Principal
from headrace.domain.clock import HOUR, now
from headrace.domain.errors import Conflict, Invalid, KeyReused
from headrace.storage.database import Database, Tx

KEPT = 7 * 24 * HOUR
LONGEST = 255  # characters of a key
LARGE = 256 * 1024  # bytes of an answer that are worth a thread
_LEVEL = 1  # of zlib: names of inputs shrink well, and fast is enough

Mark = Callable[[Tx, str], None]  # called inside the transaction, with the identifier of what it makes


def unmarked(_tx: Tx, _made: str) -> None:
    """For requests without a key."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with a key. `print` is empty while its body is on its way."""

    identifier: str
    route: str
    print: str


@dataclass(frozen=True, slots=True)
class Begun:
    """Nobody was there before: carry it out."""


@dataclass(frozen=True, slots=True)
class Made:
    """It was carried out and made this, but its answer was lost with the server that made it."""

    what: str
    print: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What it was answered."""

    status: int
    media_type: str
    body: bytes
    print: str


class Once:
    """`me` names this server; `gone` tells, inside a transaction, whether another is no more."""

    def __init__(self, database: Database, me: str, gone: Callable[[Tx, str], bool]) -> None:
        self._database, self._me, self._gone = database, me, gone
        self._under_way: set[str] = set()

    async def begin(self, asked: Asked) -> Begun | Made | Kept:
        """Raises Conflict while the same request is under way, KeyReused for another request under this key."""
        if asked.identifier in self._under_way:
            raise Conflict(_busy(asked))
        self._under_way.add(asked.identifier)
        try:
            found = await self._database.write(lambda tx: self._begin(tx, asked))
            faults.point("once.begun")
        except BaseException:
            self._under_way.discard(asked.identifier)
            raise
        if not isinstance(found, Begun):
            self._under_way.discard(asked.identifier)
        return found

    def mark(self, asked: Asked) -> Mark:
        return lambda tx, what: once_rows.made(tx, asked.identifier, what)

    async def keep(self, asked: Asked, status: int, media_type: str, body: bytes) -> None:
        """The request made something and this is its answer."""
        packed = (
            await asyncio.to_thread(zlib.compress, body, _LEVEL) if len(body) > LARGE else zlib.compress(body, _LEVEL)
        )
        entry = Entry(asked.route, asked.print, self._me, None, status, media_type, packed, 0)
        await self._database.write(lambda tx: once_rows.answered(tx, asked.identifier, entry))
        faults.point("once.kept")

    async def give_up(self, asked: Asked) -> None:
        """The request failed. What it marked stays marked."""
        await self._database.write(lambda tx: once_rows.give_up(tx, asked.identifier))

    def leave(self, asked: Asked) -> None:
        """In the end, however it ended: who asks again may begin."""
        self._under_way.discard(asked.identifier)

    async def forget(self) -> None:
        """What was kept long enough."""
        before = now() - KEPT
        await self._database.write(lambda tx: once_rows.forget(tx, before))

    def _begin(self, tx: Tx, asked: Asked) -> Begun | Made | Kept:
        new = Entry(asked.route, asked.print, self._me, None, None, None, None, now())
        if once_rows.begin(tx, asked.identifier, new):
            return Begun()
        found = once_rows.find(tx, asked.identifier)
        if found is None or found.created < new.created - KEPT:
            return self._anew(tx, asked, new)
        check_same(asked, found.route, found.print)
        if found.status is not None:
            return Kept(found.status, found.media_type or "", zlib.decompress(found.body or b""), found.print)
        if found.server != self._me and not self._gone(tx, found.server):
            raise Conflict(_busy(asked))
        return self._anew(tx, asked, new) if found.made is None else Made(found.made, found.print)

    def _anew(self, tx: Tx, asked: Asked, new: Entry) -> Begun:
        once_rows.remove(tx, asked.identifier)
        once_rows.begin(tx, asked.identifier, new)
        return Begun()


def asked_by(principal: Principal, key: str, route: str) -> Asked:
    """The same key of another user is another key. Raises Invalid for a key that is none."""
    text = key.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':  # the draft's structured string; most clients send it bare
        text = text[1:-1]
    if not 0 < len(text) <= LONGEST or not text.isprintable():
        raise Invalid(f"Idempotency-Key should have 1 to {LONGEST} printable characters, such as a UUID")
    owner = f"{principal.account}\0{principal.user.identifier}\0{text}"
    return Asked(hashlib.sha256(owner.encode()).hexdigest(), route, "")


def with_print(asked: Asked, print_: str) -> Asked:
    return replace(asked, print=print_)


def check_same(asked: Asked, route: str, print_: str) -> None:
    """Raises KeyReused. A print that is not known yet, or was lost with a server, is not compared."""
    if asked.route != route:
        raise KeyReused(f"this Idempotency-Key was used for {route} before: a key is for one request")
    if asked.print and print_ and asked.print != print_:
        raise KeyReused(
            f"this Idempotency-Key was used for {route} with another path or body before: a key is for one request"
        )


def _busy(asked: Asked) -> str:
    return f"{asked.route} with this Idempotency-Key is under way: wait for its answer, or ask again later"
