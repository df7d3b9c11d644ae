"""What must be true of every database of ours at every moment, in SQL that both databases understand.

Each function yields a sentence for each fault. `of_rows` needs nothing but a transaction, so it also serves where a
database is verified in earnest; `ledger_rows` adds what clients were promised.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, text

from headrace.domain.body import BlobRef
from headrace.domain.result import InputResult
from headrace.jobs import frames

ENDED = ("COMPLETED", "CANCELED", "TIMEDOUT")
Found = Row[Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """One job, its inputs and results, as the rows have them."""

    row: Found
    names: tuple[str, ...]
    chunks: Sequence[Found]
    segments: Sequence[tuple[int, list[InputResult]]]
    leases: Sequence[Found]

    @property
    def results(self) -> dict[str, InputResult]:
        return {one.name: one for _, results in self.segments for one in results}


def jobs(tx: Connection) -> Iterator[Stored]:
    chunks, segments, leases = _by_job(tx, "chunk"), _by_job(tx, "segment"), _by_job(tx, "lease")
    for row in tx.execute(text("select * from job order by number")).all():
        mine = chunks[row.number]
        yield Stored(
            row,
            tuple(name for one in mine for name in frames.unpack_names(one.names)),
            mine,
            [(one.first, frames.unpack_results(one.body)) for one in segments[row.number]],
            leases[row.number],
        )


def _by_job(tx: Connection, table: str, order: str = "first") -> Mapping[int, list[Found]]:
    found: defaultdict[int, list[Found]] = defaultdict(list)
    for row in tx.execute(text(f'select * from {table} order by job, "{order}"')):  # noqa: S608 - names of ours
        found[row.job].append(row)
    return found


def of_rows(tx: Connection) -> Iterator[str]:
    """Counts, states, results, leases, the queue, quotas, names of bodies."""
    letters = _by_job(tx, "dead", "ordinal")
    for stored in jobs(tx):
        dead = _dead(stored, letters[stored.row.number])
        for sentence in (*_counts(stored), *_inputs(stored), *_results(stored), *_queue(stored), *dead):
            yield f"job {stored.row.id} ({stored.row.state}): {sentence}"
    yield from _flows(tx)
    yield from _loads(tx)
    yield from _quotas(tx)
    yield from _uploads(tx)
    yield from _bodies(tx)
    yield from _engine(tx)


def _counts(stored: Stored) -> Iterator[str]:
    row = stored.row
    done = row.completed + row.failed + row.canceled
    good = sum(one.ok for _, results in stored.segments for one in results)
    bad = sum(not one.ok for _, results in stored.segments for one in results)
    if (row.completed, row.failed) != (good, bad):
        yield f"{row.completed} completed and {row.failed} failed are counted, {good} and {bad} are stored"
    if row.state in ENDED:
        if done != row.total:
            yield f"it has ended with {done} of {row.total} inputs"
        if row.ended is None:
            yield "it has ended and nobody knows when"
    elif done >= row.total and row.state != "OPEN":
        yield f"{done} of {row.total} inputs have ended and it has not"
    if row.state == "COMPLETED" and row.canceled:
        yield f"it was completed and {row.canceled} of its inputs were cancelled"
    if row.state not in ENDED and row.canceled:
        yield f"{row.canceled} inputs are cancelled before its end"


def _inputs(stored: Stored) -> Iterator[str]:
    """Chunks lie side by side, and no name is there twice."""
    place = 0
    for one in stored.chunks:
        if one.first != place:
            yield f"a chunk begins at {one.first} instead of {place}"
        if len(frames.unpack_names(one.names)) != one.length:
            yield f"the chunk at {one.first} has {len(frames.unpack_names(one.names))} names for {one.length} inputs"
        place = one.first + one.length
    if place != stored.row.total:
        yield f"{place} inputs are stored and {stored.row.total} are counted"
    if len(set(stored.names)) != len(stored.names):
        yield "an input is stored twice"


def _results(stored: Stored) -> Iterator[str]:
    """Segments do not overlap, each result stands at its input's place."""
    end = 0
    for first, results in stored.segments:
        if first < end:
            yield f"inputs {first} to {end - 1} have more than one result"
        end = max(end, first + len(results))
        if [one.name for one in results] != list(stored.names[first : first + len(results)]):
            yield f"the results from {first} on are not those of their inputs"


def _queue(stored: Stored) -> Iterator[str]:
    """Each input without a result is in exactly one place: leased, back in the queue, or not yet claimed."""
    row, last = stored.row, len(stored.names)
    if row.state in ENDED or row.state == "OPEN":
        if stored.leases or row.ready:
            yield f"{len(stored.leases)} leases and {row.ready} ready inputs are left"
        return
    places = [range(first, first + len(results)) for first, results in stored.segments]
    places += [range(one.first, one.first + one.length) for one in stored.leases]
    runnable = next((one.first for one in stored.chunks if not one.payload and not one.bytes), last)
    places.append(range(row.next, max(row.next, runnable)))
    seen: defaultdict[int, int] = defaultdict(int)
    for one in places:
        for place in one:
            seen[place] += 1
    if lost := [place for place in range(last) if not seen[place]]:
        yield f"{len(lost)} inputs are nowhere, the first is number {lost[0]}"
    if twice := [place for place, count in seen.items() if count > 1]:
        yield f"{len(twice)} inputs are in two places, the first is number {min(twice)}"
    free = sum(one.length for one in stored.leases if one.token is None and one.due is None)
    free += max(0, runnable - row.next)
    if free != row.ready:
        yield f"{row.ready} inputs are said to be ready and {free} are"


def _flows(tx: Connection) -> Iterator[str]:
    """Each node of a version's tree counts what its jobs have ready: `/team/user`, `/team`, and "" for the version."""
    said = {(row.model, row.version, row.node): row.ready for row in tx.execute(text("select * from flow"))}
    true: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for row in tx.execute(
        text('select model, version, team, "user", sum(ready) as ready from job group by model, version, team, "user"')
    ):
        for node in ("", f"/{row.team}", f"/{row.team}/{row.user}"):
            true[row.model, row.version, node] += int(row.ready)
    for key in {*said, *true}:
        if said.get(key, 0) != true.get(key, 0):
            yield f"the queue of {key} counts {said.get(key, 0)} inputs, its jobs {true.get(key, 0)}"


def _loads(tx: Connection) -> Iterator[str]:
    """What an account has in jobs that are not over."""
    rows = tx.execute(
        text(
            "select account, count(*) as jobs, sum(total) as inputs, sum(input_bytes) as bytes from job"
            " where state in ('SUBMITTED', 'IN_PROGRESS') group by account"
        )
    )
    true = {row.account: (int(row.jobs), int(row.inputs), int(row.bytes)) for row in rows}
    said = {row.account: (row.jobs, row.inputs, row.bytes) for row in tx.execute(text("select * from load"))}
    for account in {*said, *true}:
        if said.get(account, (0, 0, 0)) != true.get(account, (0, 0, 0)):
            yield f"account {account} is said to have {said.get(account)} under way and has {true.get(account)}"


def _dead(stored: Stored, ordinals: Sequence[Found]) -> Iterator[str]:
    """A dead letter is an input that failed; those that were not tried again are counted."""
    waiting = sum(row.redriven is None for row in ordinals)
    if waiting != stored.row.dead:
        yield f"{stored.row.dead} dead letters are counted and {waiting} are there"
    for row in ordinals:
        result = stored.results.get(row.input_name)
        if result is None or result.ok or stored.names[row.ordinal] != row.input_name:
            yield f"{row.input_name} is a dead letter and did not fail"


def _quotas(tx: Connection) -> Iterator[str]:
    """Used = submitted - given back, for those whose count never begins anew."""
    for row in tx.execute(text("select * from quotas where period is null and starts is null and ends is null")).all():
        column = {"user": '"user"', "team": "team"}.get(row.scope)
        if column is None:
            continue
        used = tx.scalar(
            text(f"select sum(total - failed - canceled) from job where {column} = :subject"),  # noqa: S608
            {"subject": row.subject},
        )
        if int(used or 0) != row.used:
            yield f"the quota of {row.scope} {row.subject} counts {row.used} inputs, its jobs {int(used or 0)}"


def _uploads(tx: Connection) -> Iterator[str]:
    for row in tx.execute(
        text("select job.id as id, job.state as state from upload join job on upload.job = job.number")
    ):
        if row.state != "OPEN":
            yield f"job {row.id} is {row.state} and still has files on their way"


def _bodies(tx: Connection) -> Iterator[str]:
    """A body that a result or an input names is kept from the sweep."""
    kept = {(row.job, row.digest) for row in tx.execute(text("select job, digest from blob_use"))}
    for stored in jobs(tx):
        named = {
            output.body.digest
            for one in stored.results.values()
            for output in one.outputs.values()
            if isinstance(output.body, BlobRef)
        }
        for chunk in stored.chunks:
            if chunk.payload:
                named |= frames.input_digests(frames.unpack_inputs(chunk.payload))
        for digest in named:
            if (stored.row.number, digest) not in kept:
                yield f"job {stored.row.id} names the body {digest}, which is not kept"


def _engine(tx: Connection) -> Iterator[str]:
    """What the database itself finds."""
    if tx.dialect.name != "sqlite":
        return
    for (said,) in tx.execute(text("pragma integrity_check")):
        if said != "ok":
            yield f"SQLite: {said}"
    for row in tx.execute(text("pragma foreign_key_check")):
        yield f"SQLite: a row of {row[0]} names a row of {row[2]} that is not there"


def bodies_in_use(tx: Connection) -> set[str]:
    return set(tx.scalars(text("select distinct digest from blob_use")))


def content(result: InputResult) -> str:
    """The digest that the torture model answered; its other output must agree with it."""
    output = result.outputs.get("results.json")
    if output is None or not isinstance(output.body, bytes):
        return "no results.json"
    said = str(msgspec.json.decode(output.body)["digest"])
    large = result.outputs.get("large.bin")
    if large is not None and isinstance(large.body, BlobRef) and large.body.size != 1600 * len(said):
        return f"a large.bin of {large.body.size} bytes"
    return said


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
