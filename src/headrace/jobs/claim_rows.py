"""SQL of the queue: who is waited for, the fair claim, the finish that its token guards, and what comes back.

A claim is a run of consecutive inputs of one job, as many as a replica does in about half a second. How long it is,
is decided when it is claimed, not when the job is stored: a wrong guess costs one claim and not the whole job
(decisions/0003).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, select, update

from headrace.domain.clock import Millis
from headrace.domain.ids import VersionKey
from headrace.domain.job import Job
from headrace.domain.result import InputResult
from headrace.jobs import rows, statements
from headrace.jobs.tables import flow, lease
from headrace.storage.database import Tx


@dataclass(frozen=True, slots=True)
class Claimed:
    """A lease, and the chunk row in which its inputs lie: `skip` of them come before the first of ours."""

    lease: int
    token: str
    job: Job
    first: int
    count: int
    strikes: int
    chunk_first: int
    payload: bytes

    @property
    def skip(self) -> int:
        return self.first - self.chunk_first


@dataclass(frozen=True, slots=True)
class Back:
    """A run of inputs that goes back into the queue; `strikes`: replicas that died at each of them."""

    first: int
    count: int
    strikes: int = 0


def waiting(tx: Tx) -> dict[VersionKey, int]:
    """Claimable inputs of every version that has some."""
    found = tx.execute(
        select(flow.c.model, flow.c.version, func.sum(flow.c.ready))
        .where(flow.c.ready > 0)
        .group_by(flow.c.model, flow.c.version)
    )
    return {VersionKey(model, version): int(ready) for model, version, ready in found}


def claim(tx: Tx, key: VersionKey, most: int, most_bytes: int, now: Millis) -> Claimed | None:
    """The next run for a replica of this version: of the least served user, of that user's least served job."""
    version = {"p_model": key.model, "p_version": key.version}
    user = tx.scalar(statements.LEAST_SERVED_USER, version)
    if user is None:
        return None
    flow_of_user = version | {"p_user": user}
    picked = tx.execute(statements.LEAST_SERVED_JOB, flow_of_user).one()
    taken = _came_back(tx, picked.number, most) or _fresh(tx, picked.number, picked.next, most, most_bytes)
    after = taken.first + taken.count if taken.fresh else picked.next
    count = {"p_count": taken.count}
    tx.execute(statements.TAKE_FROM_JOB, count | {"p_number": picked.number, "p_next": after, "p_now": now})
    tx.execute(statements.TAKE_FROM_FLOW, count | flow_of_user)
    return Claimed(
        taken.lease, taken.token, rows.from_row(picked), taken.first, taken.count, taken.strikes,
        taken.chunk.first, taken.chunk.payload,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Run:
    lease: int
    token: str
    first: int
    count: int
    strikes: int
    fresh: bool
    chunk: "Row[Any, Any, Any, Any]"


def _came_back(tx: Tx, number: int, most: int) -> _Run | None:
    row = tx.execute(statements.CAME_BACK, {"p_number": number}).one_or_none()
    if row is None:
        return None
    count = 1 if row.strikes else min(row.length, most)  # a suspect is tried alone: neighbours do not die with it
    holder = _chunk_of(tx, number, row.first)
    count = min(count, holder.first + holder.length - row.first)
    if count < row.length:
        rest = {"job": number, "first": row.first + count, "length": row.length - count, "strikes": row.strikes}
        tx.execute(statements.INSERT_LEASE, rest | {"token": None})
    token = secrets.token_hex(8)
    tx.execute(statements.TAKE_LEASE, {"p_lease": row.id, "p_length": count, "p_token": token})
    return _Run(row.id, token, row.first, count, row.strikes, fresh=False, chunk=holder)


def _fresh(tx: Tx, number: int, first: int, most: int, most_bytes: int) -> _Run:
    row = _chunk_of(tx, number, first)
    average = max(1, row.bytes // row.length)
    count = max(1, min(most, most_bytes // average, row.first + row.length - first))
    token = secrets.token_hex(8)
    fresh = {"job": number, "first": first, "length": count, "token": token, "strikes": 0}
    inserted = tx.execute(statements.INSERT_LEASE, fresh).inserted_primary_key
    return _Run(inserted[0] if inserted else 0, token, first, count, 0, fresh=True, chunk=row)


def _chunk_of(tx: Tx, number: int, ordinal: int) -> "Row[Any, Any, Any, Any]":
    return tx.execute(statements.CHUNK_OF, {"p_number": number, "p_ordinal": ordinal}).one()


def finish(
    tx: Tx, claimed: Claimed, first: int, results: Sequence[InputResult], back: Sequence[Back], now: Millis
) -> Job | None:
    """Results of consecutive inputs from `first` on, stored once; `back` goes to the queue again.

    Guarded by the token: None means that the lease is gone (cancelled, timed out, taken over) and nothing was stored.
    The lease stays for the inputs that are neither in `results` nor in `back`.
    """
    done = len(results) + sum(one.count for one in back)
    left = claimed.first + claimed.count - first - done
    held = {"p_lease": claimed.lease, "p_token": claimed.token}
    if left:
        changed = tx.execute(statements.SHORTEN_LEASE, held | {"p_first": first + done, "p_length": left})
    else:
        changed = tx.execute(statements.END_LEASE, held)
    if changed.rowcount == 0:
        return None
    if results:
        rows.store_results(tx, claimed.job.number, first, results)
        _count(tx, claimed.job, results, now)
    if back:
        _give_back(tx, claimed.job, back)
    return rows.by_number(tx, claimed.job.number)


def _count(tx: Tx, stored: Job, results: Sequence[InputResult], now: Millis) -> None:
    good = sum(one.ok for one in results)
    tx.execute(
        statements.COUNT_RESULTS,
        {
            "p_number": stored.number,
            "p_good": good,
            "p_bad": len(results) - good,
            "p_queued": sum(one.queued for one in results),
            "p_latency": sum(one.latency for one in results),
            "p_now": now,
        },
    )


def _give_back(tx: Tx, stored: Job, back: Sequence[Back]) -> None:
    job_of = {"job": stored.number, "token": None}
    values = [job_of | {"first": one.first, "length": one.count, "strikes": one.strikes} for one in back]
    tx.execute(statements.INSERT_LEASE, values)
    _requeue(tx, stored, sum(one.count for one in back))


def _requeue(tx: Tx, stored: Job, count: int) -> None:
    tx.execute(statements.RETURN_TO_JOB, {"p_number": stored.number, "p_count": count})
    tx.execute(statements.RETURN_TO_FLOW, rows.flow_of(stored) | {"p_count": count})


def recover(tx: Tx) -> int:
    """At the start of the only server of this database: whatever was under way goes back into the queue."""
    held = tx.execute(
        select(lease.c.job, func.sum(lease.c.length)).where(lease.c.token.is_not(None)).group_by(lease.c.job)
    ).all()
    for number, count in held:
        _requeue(tx, rows.by_number(tx, number), int(count))
    tx.execute(update(lease).where(lease.c.token.is_not(None)).values(token=None))
    return sum(int(count) for _, count in held)
