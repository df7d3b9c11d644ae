"""The connection that writes to SQLite, and what is done after an I/O error before anything is acknowledged again.

After a failed fsync nobody knows what of the log is on disk: the kernel forgets the pages and reports the error once
(PostgreSQL learned it in 2018). So the connection is thrown away, the database opened anew, and everything that is in
the log is written into the database file and fsynced from there; only when that has worked, writing goes on. Until then
every transaction is refused at once. Reading goes on all the time.
"""

import logging
import sqlite3
from collections.abc import Sequence

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from headrace import faults
from headrace.domain.errors import StorageFailed
from headrace.storage.tasks import Task, run_task

logger = logging.getLogger(__name__)

# The primary codes after which the log is doubtful. A full disk is not among them: its transaction was never complete.
DOUBTFUL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL}
REFUSED = "the database had an error of its disk and is not sound again yet: nothing was stored"


class Writer:
    """Belongs to one thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._doubtful = True  # until the first opening has worked: the disk may be bad from the start
        try:
            self._connection = self._open()
            self._doubtful = False
        except SQLAlchemyError as error:
            logger.warning("the database cannot be opened for writing yet: %s", error)

    def commit(self, group: Sequence[Task]) -> None:
        """One commit for all. A disk that is full undoes everything so far: then each is tried again by itself."""
        if (self._doubtful and not self._mended()) or self._connection is None:
            for task in group:
                task.error = StorageFailed(REFUSED)
            return
        try:
            self._commit_once(self._connection, group)
        except DBAPIError as error:
            self._doubtful = _doubtful(error)
            if self._doubtful:
                logger.warning("the disk of the database has errors: nothing is stored until it is sound again")
            if len(group) == 1 or self._doubtful:
                for task in group:
                    task.error = storage_failed(error)
            else:
                for task in group:
                    self.commit([task])

    def _commit_once(self, connection: Connection, group: Sequence[Task]) -> None:
        with connection.begin() as transaction:
            for task in group:
                run_task(connection, task, alone=len(group) == 1, ends_all=_ends_all)
            faults.point("sqlite.commit.before")
            if len(group) == 1 and group[0].error is not None:
                transaction.rollback()

    def close(self) -> None:
        if self._connection is not None and not self._connection.closed:
            self._connection.close()

    def _drop(self) -> None:
        """Not back to a pool: what it knows of the file may be wrong. It is gone already when opening anew failed."""
        if self._connection is not None and not self._connection.closed:
            self._connection.invalidate()
            self._connection.close()

    def _open(self) -> Connection:
        return self._engine.connect().execution_options(headrace_write=True)

    def _mended(self) -> bool:
        try:
            self._drop()
            self._connection = self._open()
            raw = self._connection.connection.driver_connection
            if raw is None:
                return False
            busy, *_ = raw.execute("pragma wal_checkpoint(truncate)").fetchone()
            faults.point("mending.checked")
        except (SQLAlchemyError, sqlite3.Error) as error:
            logger.warning("the database is not sound yet: %s", error)
            return False
        if busy:
            return False
        self._doubtful = False
        logger.warning("the database is sound again: its log was written to its file once more")
        return True


def storage_failed(error: DBAPIError) -> StorageFailed:
    return StorageFailed(f"the database cannot store or read this just now: {error.orig}", technical=str(error.orig))


def _ends_all(error: Exception) -> bool:
    """A full disk, for one, undoes the whole transaction and not only the savepoint."""
    return isinstance(error, OperationalError)


def _doubtful(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in DOUBTFUL
