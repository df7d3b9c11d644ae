"""SQL <-> dead letters: inputs that failed without an answer of their model, and those of them that are tried again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.sql import ColumnElement

from headrace.domain.clock import Millis
from headrace.domain.job import Job, JobInput
from headrace.domain.listing import Page
from headrace.jobs import frames
from headrace.jobs.tables import chunk, dead, job
from headrace.storage.database import Tx

AT_ONCE = 500  # names or ordinals in one statement


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`redriven`: the job in which the input was tried again."""

    ordinal: int
    name: str
    reason: str
    engine: str
    died: Millis
    redriven: str | None


def letters(tx: Tx, number: int, page: Page) -> list[DeadLetter]:
    """In the order of the inputs."""
    start = (page.number - 1) * page.size
    found = tx.execute(select(dead).where(dead.c.job == number).order_by(dead.c.ordinal).limit(page.size).offset(start))
    return [DeadLetter(row.ordinal, row.input_name, row.reason, row.engine, row.died, row.redriven) for row in found]


def open_ordinals(tx: Tx, number: int, names: Collection[str] | None) -> dict[int, str]:
    """Ordinal → name of those that were not tried again yet; with `names`, only these."""
    conditions: list[ColumnElement[bool]] = [dead.c.job == number, dead.c.redriven.is_(None)]
    if names is None:
        return _named(tx, conditions)
    wanted, found = sorted(names), dict[int, str]()
    for start in range(0, len(wanted), AT_ONCE):
        found |= _named(tx, [*conditions, dead.c.input_name.in_(wanted[start : start + AT_ONCE])])
    return found


def _named(tx: Tx, conditions: Sequence[ColumnElement[bool]]) -> dict[int, str]:
    found = tx.execute(select(dead.c.ordinal, dead.c.input_name).where(*conditions).order_by(dead.c.ordinal))
    return {row.ordinal: row.input_name for row in found}


def inputs_kept(tx: Tx, stored: Job) -> bool:
    """Whether the bodies of its inputs are still there: they go some hours after its end."""
    return not stored.over or tx.scalar(select(job.c.drop_inputs_at).where(job.c.number == stored.number)) is not None


def inputs_at(tx: Tx, number: int, ordinals: Collection[int]) -> list[JobInput]:
    """In their order; each chunk is opened once."""
    found: list[JobInput] = []
    wanted = sorted(ordinals)
    while wanted:
        row = tx.execute(
            select(chunk.c.first, chunk.c.length, chunk.c.payload)
            .where(chunk.c.job == number, chunk.c.first <= wanted[0])
            .order_by(chunk.c.first.desc())
            .limit(1)
        ).one()
        inputs, end = frames.unpack_inputs(row.payload), row.first + row.length
        here = [one for one in wanted if one < end]
        found += [inputs[one - row.first] for one in here]
        wanted = wanted[len(here) :]
    return found


def mark_redriven(tx: Tx, number: int, ordinals: Collection[int], into: str) -> None:
    """The count of the job goes down with them."""
    wanted = sorted(ordinals)
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        tx.execute(update(dead).where(dead.c.job == number, dead.c.ordinal.in_(some)).values(redriven=into))
    tx.execute(update(job).where(job.c.number == number).values(dead=job.c.dead - len(wanted)))
