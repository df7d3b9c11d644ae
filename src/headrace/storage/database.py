"""What the rooms know of a database: a transaction is a plain function of a connection, and it is all or nothing."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine

from headrace.storage.events import Events

T = TypeVar("T")
Tx = Connection


class Database(Protocol):
    """`write` and `read` run a function in one transaction. It cannot await, so no network call hides inside it.

    It may be run more than once until it is committed, so it changes nothing but the database.
    """

    @property
    def dialect(self) -> str:
        """Which it is: "sqlite" or "postgresql"."""
        ...

    @property
    def events(self) -> Events: ...

    @property
    def commits(self) -> int | None:
        """Grows after each commit: as long as it stands still, a read finds what it found before. None: not known.

        To be asked before the read: what is committed meanwhile is found by the next one.
        """
        ...

    async def write(self, transaction: Callable[[Tx], T], lane: str = "") -> T:
        """Returns after the commit is on disk. Raises what the function raised, or StorageFailed.

        Functions of the same lane never run at the same time, on whatever server of this database: what one reads, no
        other of its lane changes before it has written. Functions of two lanes may.
        """
        ...

    async def read(self, transaction: Callable[[Tx], T]) -> T:
        """A consistent view, never blocked by writers. Raises what the function raised, or StorageFailed."""
        ...

    def close(self) -> None: ...


class OpenDatabase(Database, Protocol):
    """For whoever opens one: the engine below it, to change its schema with.

    `sessions`: locks may be held, and events heard, beyond a transaction.
    """

    sessions: bool

    @property
    def engine(self) -> Engine: ...
