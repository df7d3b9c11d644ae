"""SQL <-> Job: storing a job with its inputs, reading it, ending it. Plain functions of a transaction."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import BigInteger, cast, delete, func, insert, literal, select, update

from headrace.domain.clock import HOUR, Millis
from headrace.domain.job import ENDED, LIVE, Job, JobState, check_move
from headrace.domain.result import InputResult
from headrace.jobs import fair, frames, load_rows, statements
from headrace.jobs.statements import JOB_COLUMNS, job_of
from headrace.jobs.stock import Chunk, Stock
from headrace.jobs.tables import blob_use, dead, job, lease
from headrace.storage.database import Tx


def insert_job(tx: Tx, new: Job, deadline: Millis | None) -> Job:
    """Store the row of a job. `new.number` is ignored; the job comes back with the number that it got."""
    values = {column: getattr(new, column) for column in _PLAIN}
    values |= {"model": new.version.model, "version": new.version.version, "deadline": deadline}
    values |= _FRESH
    return replace(new, number=statements.INSERT_JOB.number(tx, values))


def store_inputs(tx: Tx, stored: Job, stock: Stock) -> None:
    """The inputs in chunks: first those that can run, then the names of those that were refused."""
    rows, first = [], 0
    for chunk in (*stock.chunks, *stock.refused_chunks):
        rows.append(_chunk(stored.number, first, chunk))
        first += chunk.length
    if rows:
        statements.INSERT_CHUNK.rows(tx, rows)
    use_blobs(tx, stored.number, stock.digests, is_input=True)


def _chunk(number: int, first: int, chunk: Chunk) -> dict[str, object]:
    return {
        "job": number, "first": first, "length": chunk.length, "bytes": chunk.size, "names": chunk.names,
        "payload": chunk.payload,
    }  # fmt: skip


def store_results(
    tx: Tx, number: int, first: int, results: Sequence[InputResult], buried: Collection[int] = ()
) -> None:
    """`buried`: the places in `results` of those that failed without an answer of the model."""
    body = frames.pack_results(results)
    statements.INSERT_SEGMENT.run(tx, {"job": number, "first": first, "length": len(results), "body": body})
    use_blobs(tx, number, frames.output_digests(results), is_input=False)
    if buried:
        tx.execute(insert(dead), [_dead(number, first + place, results[place]) for place in sorted(buried)])


def _dead(number: int, ordinal: int, one: InputResult) -> dict[str, object]:
    return {
        "job": number, "ordinal": ordinal, "input_name": _text(one.name), "reason": _text(one.error or ""),
        "engine": one.engine, "died": one.ended,
    }  # fmt: skip


def _text(value: str) -> str:
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")  # PostgreSQL stores no NUL as text


def use_blobs(tx: Tx, number: int, digests: Collection[str], *, is_input: bool) -> None:
    """Rows that keep the sweep away from a job's bodies."""
    if not digests:
        return
    known = select(blob_use.c.digest).where(
        blob_use.c.job == number, blob_use.c.is_input == is_input, blob_use.c.digest.in_(digests)
    )
    fresh = set(digests) - set(tx.scalars(known))
    if fresh:
        tx.execute(insert(blob_use), [{"digest": one, "job": number, "is_input": is_input} for one in fresh])


def by_id(tx: Tx, identifier: str) -> Job | None:
    return statements.JOB_BY_ID.first(tx, {"p_id": identifier})


def by_number(tx: Tx, number: int) -> Job:
    return statements.JOB_BY_NUMBER.one(tx, {"p_number": number})


def end_job(tx: Tx, stored: Job, state: JobState, now: Millis) -> Job:
    """CANCELED or TIMEDOUT, exact to the input: what has no result yet is taken out of the queue in this transaction.

    The leases go, so whoever works on this job finds its token gone and its late results are dropped.
    """
    check_move(stored.state, state)
    ready = tx.scalar(select(job.c.ready).where(job.c.number == stored.number)) or 0
    if ready:
        fair.remove(tx, stored, ready)
    tx.execute(delete(lease).where(lease.c.job == stored.number))
    tx.execute(
        update(job)
        .where(job.c.number == stored.number)
        .values(canceled=stored.pending, ready=0, updated=now, **ending(state, now))
    )
    if stored.state in LIVE:
        load_rows.give_back(tx, stored)
    return by_number(tx, stored.number)


def ending(state: JobState, now: Millis) -> dict[str, object]:
    """What the end of a job writes into its row, however it ends."""
    drop_at = literal(now, BigInteger) + cast(job.c.hours_delete_input, BigInteger) * HOUR
    return {"state": state, "ended": now, "deadline": None, "drop_inputs_at": drop_at}


def set_submitted(tx: Tx, stored: Job, total: int, input_bytes: int, at: Millis, deadline: Millis | None) -> Job:
    """An open job was closed: from now on it is like any other."""
    check_move(stored.state, JobState.SUBMITTED)
    tx.execute(
        update(job)
        .where(job.c.number == stored.number)
        .values(
            state=JobState.SUBMITTED, total=total, input_bytes=input_bytes, submitted=at, updated=at, deadline=deadline
        )
    )
    return by_number(tx, stored.number)


def count_refused(tx: Tx, stored: Job, refused: int, at: Millis) -> Job:
    """Inputs that failed before they ran. A job of which nothing is left to run is over at once."""
    over = refused == stored.total
    if not refused and not over:
        return stored
    values = ending(JobState.COMPLETED, at) if over else {}
    tx.execute(update(job).where(job.c.number == stored.number).values(failed=refused, **values))
    return by_number(tx, stored.number)


def due(tx: Tx, now: Millis) -> list[Job]:
    found = tx.execute(select(*JOB_COLUMNS).where(job.c.deadline <= now, job.c.state.not_in(ENDED)))
    return [job_of(*row) for row in found]


def next_deadline(tx: Tx) -> Millis | None:
    first: Millis | None = tx.scalar(select(func.min(job.c.deadline)).where(job.c.deadline.is_not(None)))
    return first


def newest(tx: Tx) -> int:
    """The number of the last job that was stored."""
    return tx.scalar(select(func.max(job.c.number))) or 0


def move_deadlines(tx: Tx, at_most: int, step: Millis) -> None:
    """Of the jobs up to this number."""
    mine = (job.c.deadline.is_not(None), job.c.number <= at_most)
    tx.execute(update(job).where(*mine).values(deadline=job.c.deadline + step))


def unfinished(tx: Tx, account: str) -> list[Job]:
    mine = (job.c.account == account, job.c.state.in_({*LIVE, JobState.OPEN}))
    return [job_of(*row) for row in tx.execute(select(*JOB_COLUMNS).where(*mine))]


_PLAIN = (
    "id", "account", "team", "user", "key", "kind", "state", "explain", "timeout", "total", "completed", "failed",
    "canceled", "input_bytes", "created", "updated", "submitted", "started", "ended", "queue_total", "latency_total",
    "hours_delete_input", "priority", "dead",
)  # fmt: skip
_FRESH = {"next": 0, "ready": 0, "vtime": 0.0, "drop_inputs_at": None}  # not in the queue yet, and not over
