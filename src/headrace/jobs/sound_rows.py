"""Do the job engine's rows agree with each other? Counts against what they count, and every frame can be opened."""

from collections.abc import Iterator

import msgspec
from sqlalchemy import case, func, select

from headrace.domain.job import ENDED
from headrace.jobs import frames
from headrace.jobs.tables import chunk, job, segment
from headrace.storage.database import Tx

AT_ONCE = 64  # rows in memory: one may have a megabyte


def faults(tx: Tx) -> Iterator[str]:
    """A sentence for each job whose rows do not agree, however many rows there are."""
    yield from _counts(tx)
    yield from _frames(tx)


def _counts(tx: Tx) -> Iterator[str]:
    stored = select(segment.c.job, func.sum(segment.c.length).label("n")).group_by(segment.c.job).subquery()
    inputs = select(chunk.c.job, func.sum(chunk.c.length).label("n")).group_by(chunk.c.job).subquery()
    done = job.c.completed + job.c.failed + job.c.canceled
    found = tx.execute(
        select(
            job.c.id, job.c.total, job.c.completed, job.c.failed, job.c.canceled, job.c.state,
            func.coalesce(stored.c.n, 0).label("stored"), func.coalesce(inputs.c.n, 0).label("inputs"),
        )
        .outerjoin(stored, stored.c.job == job.c.number)
        .outerjoin(inputs, inputs.c.job == job.c.number)
        .where(
            (job.c.completed + job.c.failed != func.coalesce(stored.c.n, 0))
            | (job.c.total != func.coalesce(inputs.c.n, 0))
            | (done != case((job.c.state.in_(ENDED), job.c.total), else_=done))
            | (done > job.c.total)
        )
    )  # fmt: skip
    for row in found:
        yield (
            f"job {row.id} ({row.state}): of {row.total} inputs {row.inputs} are there; {row.completed} completed,"
            f" {row.failed} failed and {row.canceled} cancelled are counted, {row.stored} results are there"
        )


def _frames(tx: Tx) -> Iterator[str]:
    chunks = tx.execute(select(chunk).execution_options(yield_per=AT_ONCE))
    for row in chunks:
        try:
            names = len(frames.unpack_names(row.names))
            inputs = len(frames.unpack_inputs(row.payload)) if row.payload else names
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            yield f"job number {row.job}: the inputs from {row.first} on cannot be read: {error}"
            continue
        if names != row.length or inputs not in (0, names):
            found = f"{names} names and {inputs} inputs"
            yield f"job number {row.job}: the inputs from {row.first} on are {found}, not {row.length}"
    segments = tx.execute(select(segment).execution_options(yield_per=AT_ONCE))
    for row in segments:
        try:
            results = len(frames.unpack_results(row.body))
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            yield f"job number {row.job}: the results from {row.first} on cannot be read: {error}"
            continue
        if results != row.length:
            yield f"job number {row.job}: the results from {row.first} on are {results}, not {row.length}"
