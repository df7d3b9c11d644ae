"""SQLite: one writer thread that commits many callers' transactions at once, and a few reader threads.

WAL with synchronous=FULL: a commit is in the log and fsynced when `write` returns. The disk is asked once for all
callers that waited meanwhile; each keeps all-or-nothing by a savepoint of its own.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool, StaticPool

from headrace.domain.errors import StorageFailed
from headrace.storage.database import Tx

T = TypeVar("T")

GROUP = 256  # the most transactions in one commit
CACHE_KIB = 16 * 1024  # per connection


@dataclass(slots=True)
class _Task:
    transaction: Callable[[Tx], Any]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    value: Any = None
    error: Exception | None = None


class Sqlite:
    """A file, or ":memory:" for tests: there, readers share the writer's connection, one at a time.

    A transaction function may be run twice (see `_commit_together`), so it changes nothing but the database.
    """

    def __init__(self, path: Path | str, readers: int = 2) -> None:
        self._memory = str(path) == ":memory:"
        self._engine = _engine(str(path), memory=self._memory)
        self._engine.connect().close()  # a file that cannot be opened is told here; and one memory is shared by all
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="reader")
        self._writer = threading.Thread(target=self._write_forever, name="writer", daemon=True)
        self._writer.start()

    @property
    def engine(self) -> Engine:
        return self._engine

    async def write(self, transaction: Callable[[Tx], T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._tasks.put(_Task(transaction, loop, future))
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
            raise _storage_failed(error) from error

    def _write_forever(self) -> None:
        with self._engine.connect().execution_options(headrace_write=True) as connection:
            while (first := self._tasks.get()) is not None:
                group = [first, *self._more()]
                _commit_together(connection, group)
                _deliver(group)

    def _more(self) -> list[_Task]:
        found: list[_Task] = []
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


def _commit_together(connection: Connection, group: list[_Task]) -> None:
    """One commit for all. A disk that is full undoes everything so far: then each is tried again by itself."""
    try:
        with connection.begin() as transaction:
            for task in group:
                _run(connection, task, alone=len(group) == 1)
            if len(group) == 1 and group[0].error is not None:
                transaction.rollback()
    except DBAPIError as error:
        if len(group) > 1:
            for task in group:
                _commit_together(connection, [task])
        else:
            group[0].error = _storage_failed(error)


def _run(connection: Connection, task: _Task, *, alone: bool) -> None:
    """Errors of the function are kept for its caller; those that end the whole transaction are raised."""
    task.value = task.error = None
    savepoint = None if alone else connection.begin_nested()
    try:
        task.value = task.transaction(connection)
        if savepoint is not None:
            savepoint.commit()
    except OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - handed to the caller who asked
        if savepoint is not None:
            savepoint.rollback()
        task.error = error


def _deliver(group: list[_Task]) -> None:
    """One wake-up for each event loop, however many callers it has in the group."""
    for loop in {task.loop for task in group}:
        mine = [task for task in group if task.loop is loop]
        try:
            loop.call_soon_threadsafe(_give, mine)
        except RuntimeError:  # the loop was closed: nobody waits any more
            continue


def _give(tasks: list[_Task]) -> None:
    for task in tasks:
        if task.future.done():
            continue
        if task.error is None:
            task.future.set_result(task.value)
        else:
            task.future.set_exception(task.error)


def _storage_failed(error: DBAPIError) -> StorageFailed:
    return StorageFailed(f"the database cannot store or read this just now: {error.orig}", technical=str(error.orig))


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
        connection.exec_driver_sql("begin immediate" if write else "begin")

    return engine
