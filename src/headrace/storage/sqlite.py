"""SQLite: one writer thread that commits many callers' transactions at once, and a few reader threads.

WAL with synchronous=FULL: a commit is in the log and fsynced when `write` returns. The disk is asked once for all
callers that waited meanwhile; each keeps all-or-nothing by a savepoint of its own.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool, StaticPool

from headrace import faults
from headrace.storage.database import Tx
from headrace.storage.events import Events
from headrace.storage.mending import Writer, storage_failed
from headrace.storage.prepared import Command
from headrace.storage.tasks import Task, deliver

T = TypeVar("T")

GROUP = 256  # the most transactions in one commit
CACHE_KIB = 16 * 1024  # per connection
_BEGIN, _BEGIN_WRITING = Command(text("begin")), Command(text("begin immediate"))


class Sqlite:
    """A file, or ":memory:" for tests: there, readers share the writer's connection, one at a time.

    A transaction function may be run twice (see mending.py), so it changes nothing but the database.
    """

    dialect, sessions = "sqlite", True

    def __init__(self, path: Path | str, readers: int = 2) -> None:
        self.events = Events()
        self.commits = 0  # nobody else writes to the file: see `_alone` in serve.py
        self._memory = str(path) == ":memory:"
        self._engine = _engine(str(path), memory=self._memory)
        self._engine.connect().close()  # a file that cannot be opened is told here; and one memory is shared by all
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        self._writer = threading.Thread(target=self._write_forever, name="writer", daemon=True)
        self._writer.start()

    @property
    def engine(self) -> Engine:
        return self._engine

    async def write(self, transaction: Callable[[Tx], T], lane: str = "") -> T:  # noqa: ARG002 - one writer, one lane
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._tasks.put(Task(transaction, loop, future))
        return await future

    async def read(self, transaction: Callable[[Tx], T]) -> T:
        if self._memory:
            return await self.write(transaction)
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, transaction)

    def close(self) -> None:
        self._tasks.put(None)
        self._writer.join()
        self._readers.shutdown()
        for connection in self._opened:
            connection.close()
        self._engine.dispose()

    def _read(self, transaction: Callable[[Tx], T]) -> T:
        connection: Connection | None = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._local.connection = self._engine.connect().execution_options(headrace_write=False)
                self._opened.append(connection)
            with connection.begin():
                return transaction(connection)
        except OperationalError as error:
            raise storage_failed(error) from error

    def _write_forever(self) -> None:
        writer = Writer(self._engine)
        while (first := self._tasks.get()) is not None:
            group = [first, *self._more()]
            writer.commit(group)
            self.commits += 1
            faults.point("sqlite.commit.after")
            deliver(group)
        writer.close()

    def _more(self) -> list[Task]:
        found: list[Task] = []
        while len(found) < GROUP - 1:
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                break
            if task is None:
                self._tasks.put(None)
                break
            found.append(task)
        return found


def _engine(path: str, *, memory: bool) -> Engine:
    engine = sqlalchemy.create_engine(
        f"sqlite:///{path}",
        poolclass=StaticPool if memory else NullPool,
        connect_args={"check_same_thread": False, "timeout": 30.0},
        hide_parameters=True,  # an error that is logged must not show what a row holds
    )

    @event.listens_for(engine, "connect")
    def _on_connect(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # we say BEGIN ourselves: the driver's own would not cover SELECT
        for pragma in (
            "journal_mode=wal",
            "synchronous=full",
            "foreign_keys=on",
            f"cache_size=-{CACHE_KIB}",
            "temp_store=memory",
        ):
            raw.execute(f"pragma {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("headrace_write", True)
        (_BEGIN_WRITING if write else _BEGIN).run(connection, {})

    return engine
