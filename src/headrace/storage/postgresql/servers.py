"""Servers that share a PostgreSQL: each holds an advisory lock in a session of its own for as long as it lives.

When a server is killed, PostgreSQL frees its lock at once, and whoever looks sees it; no clock takes part. Behind a
pooler there are no such sessions: whoever is there, or looks from there, goes by the rows, and a server is dead when
its row stood still for SILENT seconds of the observer's own time.
"""

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable

from psycopg import AsyncConnection, Error
from sqlalchemy import text
from sqlalchemy.engine import URL

from headrace.domain.clock import HOUR, now
from headrace.domain.errors import StorageFailed
from headrace.storage import server_rows
from headrace.storage.database import Database, Tx
from headrace.storage.postgresql import connecting, faults
from headrace.storage.server_rows import ServerRow
from headrace.storage.servers import Loop, Servers

logger = logging.getLogger(__name__)

LANE = "servers"
BEAT = 1.0  # seconds between two renewals of the own row
LOOK = 0.3  # seconds between two tries to lead
SILENT = 30.0  # seconds after which a server without a session that says nothing is dead
GRACE = 1.5  # seconds after which a session of ours tells who is dead: after a restart of the database all come back
LOCKS = 1_212_761_937  # the class of all our session locks; number 0 is the leader's

_HELD = text(
    "select objid::bigint from pg_locks where locktype = 'advisory' and classid = :locks and objsubid = 2 and granted"
    " and database = (select oid from pg_database where datname = current_database())"
)


class SharedServers(Servers):
    shared = True
    look = 0.5

    def __init__(self, database: Database, url: URL, *, sessions: bool) -> None:
        super().__init__()
        self._database, self._conninfo, self._sessions = database, connecting.conninfo(url), sessions
        self._lock = secrets.randbelow(2**31 - 1) + 1
        self._started, self._beat = now(), 0
        self._leads, self._changed = False, asyncio.Condition()
        self._held_since = float("inf")  # when the session got its lock
        self._others: tuple[ServerRow, ...] = ()
        self._watched: dict[str, tuple[int, float]] = {}
        self._told: Callable[[], bytes] = bytes
        self._heeding: Callable[[], None] | None = None

    @property
    def leads(self) -> bool:
        return self._leads

    @property
    def others(self) -> tuple[ServerRow, ...]:
        return self._others

    def tell(self, told: Callable[[], bytes]) -> None:
        self._told = told

    def heed(self, listener: Callable[[], None]) -> None:
        self._heeding = listener

    def dead(self, tx: Tx) -> list[str]:
        held, silent = self._held(tx), self._silent()
        return [row.id for row in server_rows.every(tx) if row.id != self.me and self._is_dead(row, held, silent)]

    def gone(self, tx: Tx, server: str) -> bool:
        row = server_rows.find(tx, server)
        return server != self.me and (row is None or self._is_dead(row, self._held(tx), self._silent()))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            if self._sessions:
                group.create_task(self._hold_forever())
            while True:
                try:
                    await self._beat_once()
                except StorageFailed as error:
                    logger.warning("this server cannot tell the others that it lives: %s", error)
                await asyncio.sleep(BEAT)

    async def as_leader(self, loop: Loop) -> None:
        while True:
            await self._until(leads=True)
            async with asyncio.TaskGroup() as group:
                running = group.create_task(_run(loop))
                await self._until(leads=False)
                running.cancel()

    async def _until(self, *, leads: bool) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._leads == leads)

    async def _set_leads(self, *, leads: bool) -> None:
        async with self._changed:
            if leads and not self._leads:
                logger.info("this server leads")
            self._leads = leads
            self._changed.notify_all()

    async def _hold_forever(self) -> None:
        """The session of this server: its lock, and the leader's if it can be had."""
        while True:
            try:
                async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    await connecting.set_up_session(connection)
                    await connection.execute("select pg_advisory_lock(%s, %s)", (LOCKS, self._lock))
                    self._held_since = time.monotonic()
                    await self._lead_when_free(connection)
            except Error as error:
                logger.warning("the session of this server with the database is lost: %s", faults.first_line(error))
            finally:
                self._held_since = float("inf")
                await self._set_leads(leads=False)
            await asyncio.sleep(LOOK)

    async def _lead_when_free(self, connection: AsyncConnection) -> None:
        """Returns never; raises Error when the session ends. While it leads, the same question shows that it lives."""
        while True:
            question = "select true" if self._leads else f"select pg_try_advisory_lock({LOCKS}, 0)"
            row = await (await connection.execute(question)).fetchone()
            await self._set_leads(leads=row is not None and bool(row[0]))
            await asyncio.sleep(LOOK)

    async def _beat_once(self) -> None:
        self._beat += 1
        told = self._told()
        rows, held, leads = await self._database.write(lambda tx: self._renew(tx, told), lane=LANE)
        if not self._sessions:
            await self._set_leads(leads=leads)
        at = time.monotonic()
        self._watched = {row.id: self._since(row, at) for row in rows}
        silent = self._silent()
        before = [row.id for row in self._others]
        self._others = tuple(row for row in rows if row.id != self.me and self._lives(row, held, silent))
        if self._heeding is not None and before != [row.id for row in self._others]:
            self._heeding()

    def _renew(self, tx: Tx, told: bytes) -> tuple[list[ServerRow], frozenset[int], bool]:
        """All rows, whose locks are held, and whether this server leads if there are no sessions to decide it."""
        at, silent, rows = now(), self._silent(), server_rows.every(tx)
        led = any(row.leads for row in rows if row.id != self.me and row.id not in silent)
        leads = self._leads if self._sessions else not led
        me = ServerRow(
            id=self.me, lock=self._lock, session=self._sessions, host=socket.gethostname(), pid=os.getpid(),
            started=self._started, seen=at, beat=self._beat, leads=leads, told=told,
        )  # fmt: skip
        server_rows.put(tx, me)
        if self._leads:
            server_rows.remove_unseen(tx, at - HOUR)
        return server_rows.every(tx), self._held(tx), leads

    def _is_dead(self, row: ServerRow, held: frozenset[int], silent: frozenset[str]) -> bool:
        if not self._by_lock(row):
            return row.id in silent
        return row.lock not in held and time.monotonic() - self._held_since > GRACE

    def _lives(self, row: ServerRow, held: frozenset[int], silent: frozenset[str]) -> bool:
        return row.lock in held if self._by_lock(row) else row.id not in silent

    def _by_lock(self, row: ServerRow) -> bool:
        """Locks tell it only where both have a session."""
        return self._sessions and row.session

    def _since(self, row: ServerRow, at: float) -> tuple[int, float]:
        """The beat of a server, and since when it has been that."""
        before = self._watched.get(row.id)
        return before if before is not None and before[0] == row.beat else (row.beat, at)

    def _silent(self) -> frozenset[str]:
        at = time.monotonic()
        return frozenset(one for one, (_, since) in self._watched.items() if at - since > SILENT)

    def _held(self, tx: Tx) -> frozenset[int]:
        return frozenset(tx.scalars(_HELD, {"locks": LOCKS})) if self._sessions else frozenset()


async def _run(loop: Loop) -> None:
    await loop()
