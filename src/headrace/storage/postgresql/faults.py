"""What PostgreSQL's errors mean to us: try again, give up, or tell the caller."""

from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError

from headrace.domain.errors import HeadraceError, Invalid, StorageFailed

_AGAIN = (pg.SerializationFailure, pg.DeadlockDetected, pg.LockNotAvailable)
_AWAY = (
    pg.AdminShutdown,
    pg.CrashShutdown,
    pg.CannotConnectNow,
    pg.IdleInTransactionSessionTimeout,
    pg.IdleSessionTimeout,
)
_NOT_NOW = (
    pg.OperationalError,  # the disk, memory, connections, a server that is going down
    pg.ReadOnlySqlTransaction,  # a standby, or a server that was set to read only
    pg.InternalError,
    pg.UndefinedTable,
    pg.UndefinedColumn,
    pg.InsufficientPrivilege,
)


def is_away(error: Exception) -> bool:
    """The connection is gone: whatever it was doing was undone, unless it was the commit."""
    return isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error.orig, _AWAY))


def try_again(error: Exception) -> bool:
    """Two transactions were in each other's way: one of them had to go."""
    return isinstance(error, DBAPIError) and isinstance(error.orig, _AGAIN)


def told(error: Exception) -> Exception:
    """What the caller is to see."""
    if not isinstance(error, DBAPIError):
        return error
    cause = error.orig
    if isinstance(cause, pg.DataError) and "NUL" in str(cause):
        return Invalid("text with a NUL character is not taken")
    if error.connection_invalidated or isinstance(cause, _NOT_NOW):
        return storage_failed(error)
    return error


def storage_failed(error: DBAPIError) -> HeadraceError:
    cause = error.orig
    if isinstance(cause, pg.DiskFull):
        sentence = "the database cannot store this just now: its disk is full"
    elif isinstance(cause, pg.ReadOnlySqlTransaction):
        sentence = "the database takes no changes just now: it is a standby or set to read only"
    elif error.connection_invalidated or isinstance(cause, _AWAY) or getattr(cause, "sqlstate", None) is None:
        sentence = "the database cannot be reached just now; the connection is made again by itself"
    else:
        sentence = f"the database cannot store or read this just now: {first_line(cause)}"
    return StorageFailed(sentence, technical=first_line(cause))


def first_line(error: BaseException | None) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
