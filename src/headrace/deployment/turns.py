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

    async def elsewhere(self, kind: str, key: VersionKey) -> bool:  # noqa: ARG002 - there is nobody else
        """Whether another server that lives has the turn. Raises StorageFailed."""
        return False


class SharedTurns(Turns):
    shared = True

    def __init__(self, database: Database, servers: Servers) -> None:
        self._database, self._servers = database, servers

    async def take(self, kind: str, key: VersionKey) -> bool:
        def transaction(tx: Tx) -> bool:
            if self._is_elsewhere(tx, kind, key):
                return False
            turn_rows.put(tx, kind, key, self._servers.me)
            return True

        return await self._database.write(transaction)

    async def elsewhere(self, kind: str, key: VersionKey) -> bool:
        return await self._database.read(lambda tx: self._is_elsewhere(tx, kind, key))

    def _is_elsewhere(self, tx: Tx, kind: str, key: VersionKey) -> bool:
        holder = turn_rows.holder(tx, kind, key)
        return holder is not None and holder != self._servers.me and not self._servers.gone(tx, holder)

    async def give_back(self, kind: str, key: VersionKey) -> None:
        await self._database.write(lambda tx: turn_rows.remove(tx, kind, key, self._servers.me))
