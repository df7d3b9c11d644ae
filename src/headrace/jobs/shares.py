"""The weights by which teams, and the users of a team, share the replicas. Whoever has none counts as 1."""

from dataclasses import dataclass

from sqlalchemy import delete, select, text, update

from headrace.domain.errors import Invalid
from headrace.jobs.fair import node_of
from headrace.jobs.tables import flow, share
from headrace.storage.database import Database, Tx

LEAST, MOST = 0.01, 100.0

_SET = text(
    "insert into share (node, weight) values (:node, :weight) on conflict (node) do update set weight = excluded.weight"
)


@dataclass(frozen=True, slots=True)
class Share:
    """`user` empty: the share of the team among teams; else of this user among those of the team."""

    team: str
    user: str
    weight: float


class Shares:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Share]:
        """Those that are not 1."""
        return await self._database.read(_all)

    async def set(self, team: str, user: str, weight: float) -> Share:
        """From the next claim on. Raises Invalid."""
        if not LEAST <= weight <= MOST:
            raise Invalid(f"weight is {weight:g}; it must be between {LEAST:g} and {MOST:g}")
        node = node_of(team, user)

        def transaction(tx: Tx) -> None:
            if weight == 1:
                tx.execute(delete(share).where(share.c.node == node))
            else:
                tx.execute(_SET, {"node": node, "weight": weight})
            tx.execute(update(flow).where(flow.c.node == node).values(weight=weight))

        await self._database.write(transaction)
        return Share(team, user, weight)


def _all(tx: Tx) -> list[Share]:
    found = []
    for node, weight in tx.execute(select(share.c.node, share.c.weight).order_by(share.c.node)):
        _, team, *user = node.split("/", 2)
        found.append(Share(team, "".join(user), weight))
    return found
