"""SQL of leases that are not simply finished: renewed, taken back from whoever is gone, or due again after a pause."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, or_, select, update

from headrace.domain.clock import Millis
from headrace.jobs import fair, rows
from headrace.jobs.tables import lease
from headrace.storage.database import Tx


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that some server holds."""

    number: int
    job: int
    token: str
    server: str
    until: Millis


def held(tx: Tx) -> list[Held]:
    found = tx.execute(select(lease).where(lease.c.server.is_not(None)))
    return [Held(row.id, row.job, row.token, row.server, row.until) for row in found]


def holders(tx: Tx) -> set[str]:
    """Servers that hold leases."""
    return set(tx.scalars(select(lease.c.server).where(lease.c.server.is_not(None)).distinct()))


def renew(tx: Tx, server: str, until: Millis) -> None:
    tx.execute(update(lease).where(lease.c.server == server).values(until=until))


def take_back(tx: Tx, lost: Collection[Held]) -> int:
    """Their inputs go into the queue again; tokens handed out before are worth nothing. Returns how many inputs."""
    count = 0
    for one in sorted(lost, key=lambda held: (held.job, held.number)):
        mine = (lease.c.id == one.number, lease.c.token == one.token)
        length = tx.scalar(select(lease.c.length).where(*mine))
        if length is None:  # finished meanwhile
            continue
        tx.execute(update(lease).where(*mine).values(token=None, server=None, until=None))
        fair.add(tx, rows.by_number(tx, one.job), length)
        count += length
    return count


def due(tx: Tx, now: Millis, longest: Millis) -> int:
    """Inputs whose pause is over go into the queue. Returns how many.

    A pause that would last longer than any may is over too: its end was written before the machine's clock was set.
    """
    over = (lease.c.due.is_not(None), or_(lease.c.due <= now, lease.c.due > now + longest))
    count = 0
    for job, length in tx.execute(
        select(lease.c.job, func.sum(lease.c.length)).where(*over).group_by(lease.c.job).order_by(lease.c.job)
    ).all():
        tx.execute(update(lease).where(lease.c.job == job, *over).values(due=None))
        fair.add(tx, rows.by_number(tx, job), int(length))
        count += int(length)
    return count


def next_due(tx: Tx) -> Millis | None:
    first: Millis | None = tx.scalar(select(func.min(lease.c.due)).where(lease.c.due.is_not(None)))
    return first
