"""SQL of the queue: the fair claim, and the finish that its token guards.

A claim is a run of consecutive inputs of one job, as many as a replica does in about half a second. How long it is,
is decided when it is claimed, not when the job is stored: a wrong guess costs one claim and not the whole job
(decisions/0003).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from headrace import faults
from headrace.domain.clock import Millis
from headrace.domain.ids import VersionKey
from headrace.domain.job import Job
from headrace.domain.result import InputResult
from headrace.jobs import fair, load_rows, rows, statements
from headrace.jobs.statements import Chunk
from headrace.storage.database import Tx

NEIGHBOURS = 32  # the most claims in one transaction: others wait for it


@dataclass(frozen=True, slots=True)
class Claimer:
    """Who claims: a server, with a new token, which nobody has seen; `until`: when it means to have renewed it."""

    server: str
    token: str
    until: Millis


@dataclass(frozen=True, slots=True)
class Most:
    """How much one claim may be."""

    inputs: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A lease, and the chunk row in which its inputs lie: `skip` of them come before the first of ours."""

    lease: int
    token: str
    job: Job
    first: int
    count: int
    strikes: int
    tries: int
    chunk_first: int
    payload: bytes

    @property
    def suspect(self) -> bool:
        """Something broke when it was tried before."""
        return bool(self.strikes or self.tries)

    @property
    def skip(self) -> int:
        return self.first - self.chunk_first


@dataclass(frozen=True, slots=True)
class Back:
    """A run of inputs that goes back into the queue.

    `strikes`: replicas that died at each of them; `tries`: faults of ours that they met; `due`: not before then.
    """

    first: int
    count: int
    strikes: int = 0
    tries: int = 0
    due: Millis | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a claim's inputs from `first` on: results first, then what goes back.

    `dead`: those of the results, by their places in `results`, that failed without an answer of the model.
    """

    first: int
    results: Sequence[InputResult] = ()
    back: Sequence[Back] = ()
    dead: frozenset[int] = frozenset()

    @property
    def count(self) -> int:
        return len(self.results) + sum(one.count for one in self.back)


def claim(tx: Tx, key: VersionKey, most: Most, by: Claimer, now: Millis) -> Claimed | None:
    """The next run for a replica of this version: of the least served job of the least served user."""
    picked = fair.pick(tx, key)
    if picked is None:
        return None
    job = picked.job
    taken = _came_back(tx, job.number, most, by) or _fresh(tx, job.number, picked.next, most, by)
    after = taken.first + taken.count if taken.fresh else picked.next
    faults.point("claim.tx.leased")
    statements.TAKE_FROM_JOB.run(tx, {"p_number": job.number, "p_count": taken.count, "p_next": after, "p_now": now})
    fair.take(tx, picked, taken.count)
    return Claimed(
        taken.lease, by.token, job, taken.first, taken.count, taken.strikes, taken.tries,
        taken.chunk.first, taken.chunk.payload,
    )  # fmt: skip


def claim_some(tx: Tx, key: VersionKey, most: Most, together: int, by: Claimer, now: Millis) -> list[Claimed]:
    """As `claim`, and further ones in the same transaction until they have `together` inputs or more.

    One that takes up a suspect is the last.
    """
    found: list[Claimed] = []
    inputs = size = 0
    while (one := claim(tx, key, most, by, now)) is not None:
        found.append(one)
        inputs, size = inputs + one.count, size + len(one.payload)
        if inputs >= together or size >= most.bytes or one.suspect or len(found) == NEIGHBOURS:
            break
        most = Most(together, most.bytes)
    return found


@dataclass(frozen=True, slots=True)
class _Run:
    lease: int
    first: int
    count: int
    strikes: int
    tries: int
    fresh: bool
    chunk: Chunk


def _came_back(tx: Tx, number: int, most: Most, by: Claimer) -> _Run | None:
    row = statements.CAME_BACK.first(tx, {"p_number": number})
    if row is None:
        return None
    suspect = row.strikes or row.tries  # it is tried alone: neighbours do not die with it
    holder = _chunk_of(tx, number, row.first)
    count = min(1 if suspect else row.length, most.inputs, holder.first + holder.length - row.first)
    if count < row.length:
        rest = Back(row.first + count, row.length - count, row.strikes, row.tries)
        statements.INSERT_LEASE.run(tx, lease_of(number, rest))
    mine = {"p_lease": row.id, "p_length": count, "p_token": by.token, "p_server": by.server, "p_until": by.until}
    statements.TAKE_LEASE.run(tx, mine)
    return _Run(row.id, row.first, count, row.strikes, row.tries, fresh=False, chunk=holder)


def _fresh(tx: Tx, number: int, first: int, most: Most, by: Claimer) -> _Run:
    row = _chunk_of(tx, number, first)
    average = max(1, row.size // row.length)
    count = max(1, min(most.inputs, most.bytes // average, row.first + row.length - first))
    mine = {"token": by.token, "server": by.server, "until": by.until}
    lease = statements.INSERT_LEASE.number(tx, lease_of(number, Back(first, count)) | mine)
    return _Run(lease, first, count, 0, 0, fresh=True, chunk=row)


def _chunk_of(tx: Tx, number: int, ordinal: int) -> Chunk:
    return statements.CHUNK_OF.one(tx, {"p_number": number, "p_ordinal": ordinal})


def lease_of(number: int, one: Back) -> dict[str, object]:
    """The row of a run that nobody holds."""
    return {
        "job": number, "first": one.first, "length": one.count, "token": None, "server": None, "until": None,
        "strikes": one.strikes, "tries": one.tries, "due": one.due,
    }  # fmt: skip


def finish(tx: Tx, claimed: Claimed, done: Done, now: Millis) -> Job | None:
    """Results are stored once; what is in `back` goes to the queue again, or into a pause before it.

    Guarded by the token: None means that the lease is gone (cancelled, timed out, taken over) and nothing was stored.
    The lease stays for the inputs that are neither in `results` nor in `back`.
    """
    number = claimed.job.number
    after = done.first + done.count
    left = claimed.first + claimed.count - after
    mine = {"p_lease": claimed.lease, "p_token": claimed.token}
    held = mine | {"p_old": done.first}
    if left:
        changed = statements.SHORTEN_LEASE.run(tx, held | {"p_first": after, "p_length": left})
    else:
        changed = statements.END_LEASE.run(tx, held)
    if not changed:
        stored_before = statements.FIRST_OF_LEASE.first(tx, mine) == after  # a commit that seemed to have failed
        return rows.by_number(tx, number) if stored_before else None
    faults.point("finish.tx.lease.ended")
    if done.results:
        rows.store_results(tx, number, done.first, done.results, done.dead)
        _count(tx, number, done, now)
    faults.point("finish.tx.counted")
    if done.back:
        _give_back(tx, claimed.job, done.back)
    stored = rows.by_number(tx, number)
    if stored.over:
        load_rows.give_back(tx, stored)
    return stored


def _count(tx: Tx, number: int, done: Done, now: Millis) -> None:
    results = done.results
    good = sum(one.ok for one in results)
    statements.COUNT_RESULTS.run(
        tx,
        {
            "p_number": number,
            "p_good": good,
            "p_bad": len(results) - good,
            "p_dead": len(done.dead),
            "p_queued": sum(one.queued for one in results),
            "p_latency": sum(one.latency for one in results),
            "p_now": now,
        },
    )


def _give_back(tx: Tx, stored: Job, back: Sequence[Back]) -> None:
    statements.INSERT_LEASE.rows(tx, [lease_of(stored.number, one) for one in back])
    at_once = sum(one.count for one in back if one.due is None)
    if at_once:
        fair.add(tx, stored, at_once)
