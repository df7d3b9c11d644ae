"""Which servers share this database, who of them lives, and which one does what only one may do."""

from collections.abc import Awaitable, Callable

from headrace.domain.ids import new_id
from headrace.storage.database import Tx
from headrace.storage.server_rows import ServerRow

Loop = Callable[[], Awaitable[None]]


class Servers:
    """One server alone, as on SQLite: it leads, and everybody else who ever was is dead.

    PostgreSQL's are in storage/postgresql/servers.py.
    """

    shared = False  # whether there may be others
    look = 15.0  # seconds between two looks at who is dead

    def __init__(self) -> None:
        self.me = new_id()  # new at every start

    @property
    def leads(self) -> bool:
        return True

    @property
    def others(self) -> tuple[ServerRow, ...]:
        """The living ones beside this one, in the order of their identifiers."""
        return ()

    @property
    def place(self) -> tuple[int, int]:
        """The number of this server among the living, from 0 on, and how many they are."""
        ids = sorted([self.me, *(other.id for other in self.others)])
        return ids.index(self.me), len(ids)

    def tell(self, told: Callable[[], bytes]) -> None:
        """`told` is asked about once a second for what the others are to know."""

    def heed(self, listener: Callable[[], None]) -> None:
        """`listener` is called when another server has come or gone: `place` is another one. It must not wait."""

    def dead(self, tx: Tx) -> list[str]:  # noqa: ARG002 - those who share a database look into it
        """Servers that live no longer; each is named for at least an hour after its end."""
        return []

    def gone(self, tx: Tx, server: str) -> bool:  # noqa: ARG002
        """Whether that server is another one, and lives no longer."""
        return server != self.me

    async def run(self) -> None:
        """For as long as the server runs."""

    async def as_leader(self, loop: Loop) -> None:
        """Runs `loop` while this server leads, and cuts it off when another does."""
        await loop()
