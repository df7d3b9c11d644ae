"""What the rooms know of a database: a transaction is a plain function of a connection, and it is all or nothing."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")
Tx = Connection


class Database(Protocol):
    """`write` and `read` run a function in one transaction. It cannot await, so no network call hides inside it."""

    async def write(self, transaction: Callable[[Tx], T]) -> T:
        """Returns after the commit is on disk. Raises what the function raised, or StorageFailed."""
        ...

    async def read(self, transaction: Callable[[Tx], T]) -> T:
        """A consistent view, never blocked by writers. Raises what the function raised, or StorageFailed."""
        ...

    def close(self) -> None: ...
