"""Whose turn a step of a deployment is: of all servers one works on it, and another goes on when that one dies."""

from headrace.deployment import turn_rows
from headrace.domain.ids import VersionKey
from headrace.storage.database import Database, Tx
from headrace.storage.servers import Servers


class Turns:
    """Of a server alone: every turn is its own."""

    shared = False

    async def take(self, kind: str, key: VersionKey) -> bool:  # noqa: ARG002 - there is nobody else
        """Whether the step is ours now. Raises StorageFailed."""
        return True

    async def give_back(self, kind: str, key: VersionKey) -> None:
        """The step has ended. Raises StorageFailed."""


class SharedTurns(Turns):
    shared = True

    def __init__(self, database: Database, servers: Servers) -> None:
        self._database, self._servers = database, servers

    async def take(self, kind: str, key: VersionKey) -> bool:
        def transaction(tx: Tx) -> bool:
            holder = turn_rows.holder(tx, kind, key)
            if holder is not None and holder != self._servers.me and not self._servers.gone(tx, holder):
                return False
            turn_rows.put(tx, kind, key, self._servers.me)
            return True

        return await self._database.write(transaction)

    async def give_back(self, kind: str, key: VersionKey) -> None:
        await self._database.write(lambda tx: turn_rows.remove(tx, kind, key, self._servers.me))
