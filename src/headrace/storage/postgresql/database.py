"""PostgreSQL under the same functions as SQLite: what waits in one lane is committed together, lanes go side by side.

A lane is a transaction-scoped advisory lock, taken once for all who wait in it. So a function sees what the last one of
its lane has written, on whatever server that ran, just as with SQLite's one writer; and a lane's commits are few.
A connection that dies while it commits leaves a question behind; PostgreSQL keeps the answer under the transaction's
number, and it is asked before a caller is told anything.
"""

import asyncio
import hashlib
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from sqlalchemy import BigInteger, Connection, Engine, Transaction, bindparam, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from headrace.domain.errors import StorageFailed
from headrace.faults import point
from headrace.storage.database import Tx
from headrace.storage.postgresql import connecting, faults
from headrace.storage.postgresql.events import SharedEvents
from headrace.storage.tasks import Task, deliver, run_task

T = TypeVar("T")
logger = logging.getLogger(__name__)

GROUP = 256  # the most transactions in one commit
TRIES = 5  # of a function that stands in others' way
RESOLVE = 15.0  # seconds in which the fate of a commit is found out after its connection died
LONGEST_PAUSE = 2.0  # seconds between two tries to connect

_ENTER = "select pg_advisory_xact_lock(:lane), pg_current_xact_id()::text"
_FATE = text("select pg_xact_status(cast(cast(:number as text) as xid8))")


class Postgres:
    dialect = "postgresql"
    commits: int | None = None  # other servers' are not counted here

    def __init__(self, url: URL, writers: int = 2, readers: int = 2, *, pooler: bool = False) -> None:
        self.engine: Engine = connecting.engine_of(url, pooler=pooler)
        self.sessions = not pooler  # whether locks and LISTEN may be held beyond a transaction
        enter = f"{_ENTER}, {connecting.WITHOUT_SESSION}" if pooler else _ENTER
        self._enter = text(enter).bindparams(bindparam("lane", type_=BigInteger))
        self.events = SharedEvents(url, sessions=self.sessions)
        self._gate = _Gate()
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        self._waiting: OrderedDict[str, deque[Task]] = OrderedDict()  # by lane
        self._busy: set[str] = set()
        self._turn = threading.Condition()
        self._closed = False
        self._writers = [
            threading.Thread(target=self._write_forever, name=f"writer-{n}", daemon=True) for n in range(writers)
        ]
        for thread in self._writers:
            thread.start()

    async def write(self, transaction: Callable[[Tx], T], lane: str = "") -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._turn:
            self._waiting.setdefault(lane, deque()).append(Task(transaction, loop, future))
            self._turn.notify()
        return await future

    async def read(self, transaction: Callable[[Tx], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, transaction)

    def close(self) -> None:
        """What waits to be written is written first."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()
        for thread in self._writers:
            thread.join()
        self._readers.shutdown()
        for connection in self._opened:
            connection.close()
        self.engine.dispose()

    def _read(self, transaction: Callable[[Tx], T]) -> T:
        for again in (True, False):
            try:
                connection = self._connection(writes=False)
                with connection.begin():
                    return transaction(connection)
            except DBAPIError as error:
                if not (again and faults.is_away(error)):
                    raise faults.told(error) from error
        raise AssertionError

    def _write_forever(self) -> None:
        while (found := self._next()) is not None:
            lane, group = found
            self._commit_together(lane, group)
            with self._turn:
                self._busy.discard(lane)
                self._turn.notify()
            deliver(group)

    def _next(self) -> tuple[str, list[Task]] | None:
        """A lane in which nobody is, and all who wait in it; None when the database is closed and nobody waits."""
        with self._turn:
            while True:
                lane = next((lane for lane in self._waiting if lane not in self._busy), None)
                if lane is not None:
                    queue = self._waiting[lane]
                    group = [queue.popleft() for _ in range(min(GROUP, len(queue)))]
                    if not queue:
                        del self._waiting[lane]
                    self._busy.add(lane)
                    return lane, group
                if self._closed and not self._waiting:
                    self._turn.notify_all()
                    return None
                self._turn.wait()

    def _commit_together(self, lane: str, group: list[Task]) -> None:
        """One commit for all. When that fails, each is tried by itself, so that one costs only itself."""
        tries = 1
        while (error := self._commit(lane, group)) is not None:
            if len(group) > 1 and isinstance(error, DBAPIError) and not faults.is_away(error):
                for task in group:
                    self._commit_together(lane, [task])
                return
            again = faults.try_again(error) or (faults.is_away(error) and tries == 1)
            if not again or tries == TRIES:
                for task in group:
                    task.error = faults.told(error)
                return
            tries += 1

    def _commit(self, lane: str, group: list[Task]) -> Exception | None:
        """DBAPIError: nothing was stored. StorageFailed: nothing, or nobody can tell."""
        alone = len(group) == 1
        try:
            connection = self._connection(writes=True)
            with _whole(connection) as transaction:
                number = str(connection.execute(self._enter, {"lane": _number(lane)}).one()[1])
                for task in group:
                    run_task(connection, task, alone=alone, ends_all=_ends_all)
                if alone and group[0].error is not None:
                    transaction.rollback()
            if transaction.is_active:
                self._end(connection, transaction, number)
        except (DBAPIError, StorageFailed) as error:
            return error
        for task in group:
            task.error = None if task.error is None else faults.told(task.error)
        return None

    def _end(self, connection: Connection, transaction: Transaction, number: str) -> None:
        """The commit. Raises DBAPIError when it was undone, StorageFailed when nobody can tell."""
        point("postgresql.commit.before")
        try:
            transaction.commit()
        except DBAPIError as error:
            _throw_away(connection)
            if not (faults.is_away(error) and self._was_committed(number)):
                raise
        point("postgresql.commit.after")

    def _was_committed(self, number: str) -> bool:
        """Raises StorageFailed when the database stays away, or has no memory of that transaction."""
        until = time.monotonic() + RESOLVE
        while time.monotonic() < until:
            try:
                connection = self._connection(writes=True)
                with connection.begin():
                    fate: str | None = connection.scalar(_FATE, {"number": number})
            except (DBAPIError, StorageFailed) as error:
                logger.warning("the database went away during a commit, and is asked what became of it: %s", error)
                fate = "in progress"
            if fate in {"committed", "aborted"}:
                return fate == "committed"
            if fate is None:
                break
            time.sleep(0.1)
        raise StorageFailed("the database went away while it stored this: it may be stored, or not")

    def _connection(self, *, writes: bool) -> Connection:
        """The one of this thread. Raises DBAPIError; StorageFailed while it is too early for another try."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            if not (connection.closed or connection.invalidated):
                return connection
            self._local.connection = None
            self._opened.remove(connection)
            connection.close()
        self._gate.check()
        try:
            connection = self.engine.connect()
        except DBAPIError as error:
            self._gate.failed(error)
            raise faults.storage_failed(error) from error
        self._gate.passed()
        if not writes:
            connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._local.connection = connection
        self._opened.append(connection)
        return connection


class _Gate:
    """Between two tries to connect to a database that is away: all callers are told at once, and only some try."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pause, self._not_before = 0.0, 0.0
        self._error: DBAPIError | None = None

    def check(self) -> None:
        with self._lock:
            if self._error is not None and time.monotonic() < self._not_before:
                raise faults.storage_failed(self._error)

    def failed(self, error: DBAPIError) -> None:
        with self._lock:
            if self._error is None:
                logger.warning("the database cannot be reached: %s", faults.first_line(error.orig))
            self._pause = min(LONGEST_PAUSE, max(0.05, self._pause * 2))
            self._not_before, self._error = time.monotonic() + self._pause, error

    def passed(self) -> None:
        with self._lock:
            if self._error is not None:
                logger.info("the database can be reached again")
            self._pause, self._error = 0.0, None


def _ends_all(error: Exception) -> bool:
    return faults.is_away(error) or faults.try_again(error)


@contextmanager
def _whole(connection: Connection) -> Iterator[Transaction]:
    """Undone on any error. Where that is not possible any more, the connection is thrown away."""
    transaction = connection.begin()
    try:
        yield transaction
    except BaseException:
        try:
            transaction.rollback()
        except DBAPIError:
            _throw_away(connection)
        raise


def _throw_away(connection: Connection) -> None:
    with suppress(DBAPIError):
        connection.invalidate()
    connection.close()


def _number(lane: str) -> int:
    """The advisory lock of a lane: 64 bits, the same on every server."""
    return int.from_bytes(hashlib.blake2b(f"headrace lane {lane}".encode(), digest_size=8).digest(), signed=True)
