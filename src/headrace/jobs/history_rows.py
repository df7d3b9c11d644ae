"""SQL that reads jobs back: lists with filters, names, results by the segment, votes, statistics."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, delete, false, func, insert, or_, select, update

from headrace.domain.clock import Millis
from headrace.domain.ids import VersionKey
from headrace.domain.job import LIVE, Job, JobState
from headrace.domain.result import InputResult
from headrace.jobs import frames
from headrace.jobs.statements import JOB_COLUMNS, job_of
from headrace.jobs.tables import blob_use, chunk, job, segment, vote
from headrace.storage.database import Tx


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Filters that are None or empty let everything through. The door turns names into identifiers before."""

    account: str = ""
    users: frozenset[str] | None = None  # user identifiers that may be seen, or that the filter names
    team: str | None = None  # with `users`: either is enough to see a job
    only_users: frozenset[str] | None = None
    models: frozenset[str] | None = None
    version: str | None = None
    keys: frozenset[str] | None = None
    since: Millis | None = None
    until: Millis | None = None
    status: str = "all"  # all, pending, terminated, TERMINATED_WITH_ERROR, dead, or a state
    search: str = ""
    sort: str = "createdAt"
    descending: bool = True
    page: int = 1
    per_page: int = 1_000


@dataclass(frozen=True, slots=True)
class KeyStatistics:
    """How much a key was used."""

    key: str
    jobs: int
    last_used: Millis
    versions: tuple[tuple[VersionKey, int], ...]


SORTS = {
    "identifier": job.c.id,
    "submittedBy": job.c.user,
    "submittedJobs": job.c.number,
    "status": job.c.state,
    "createdAt": job.c.created,
    "updatedAt": job.c.updated,
    "submittedAt": job.c.submitted,
    "total": job.c.total,
    "completed": job.c.completed,
    "fail": job.c.failed,
    "failed": job.c.failed,
    "model": job.c.model,
}


def find(tx: Tx, query: HistoryQuery) -> list[Job]:
    column = SORTS[query.sort]
    order = (column.desc(), job.c.number.desc()) if query.descending else (column.asc(), job.c.number.asc())
    statement = _filtered(query).order_by(*order).limit(query.per_page).offset((query.page - 1) * query.per_page)
    return [job_of(*row) for row in tx.execute(statement)]


def _filtered(query: HistoryQuery) -> Select[tuple[object, ...]]:
    conditions: list[ColumnElement[bool]] = [job.c.account == query.account]
    if query.users is not None:
        mine = job.c.user.in_(query.users)
        conditions.append(or_(mine, job.c.team == query.team) if query.team is not None else mine)
    for column, allowed in ((job.c.user, query.only_users), (job.c.model, query.models), (job.c.key, query.keys)):
        if allowed is not None:
            conditions.append(column.in_(allowed) if allowed else false())
    if query.version:
        conditions.append(job.c.version == query.version)
    if query.since is not None:
        conditions.append(job.c.created >= query.since)
    if query.until is not None:
        conditions.append(job.c.created <= query.until)
    if query.search:
        text = query.search.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        conditions.append(
            or_(
                *(
                    func.lower(column).like(f"%{text}%", escape="\\")
                    for column in (job.c.id, job.c.model, job.c.version)
                )
            )
        )
    return select(*JOB_COLUMNS).where(and_(*conditions, *_with_status(query.status)))


def _with_status(status: str) -> list[ColumnElement[bool]]:
    match status.lower():
        case "all" | "":
            return []
        case "pending":
            return [job.c.state.in_({JobState.OPEN, *LIVE})]
        case "terminated":
            return [job.c.state.not_in({JobState.OPEN, *LIVE})]
        case "dead":
            return [job.c.dead > 0]
        case "terminated_with_error":
            return [job.c.state.not_in({JobState.OPEN, *LIVE}), or_(job.c.failed > 0, job.c.state == JobState.TIMEDOUT)]
        case state:
            return [job.c.state == state.upper()]


def names(tx: Tx, number: int, limit: int) -> list[str]:
    """Input names in their order, at most `limit`."""
    found: list[str] = []
    for raw in tx.scalars(select(chunk.c.names).where(chunk.c.job == number).order_by(chunk.c.first)):
        found += frames.unpack_names(raw)
        if len(found) >= limit:
            break
    return found[:limit]


def segment_of(tx: Tx, number: int, after: int) -> tuple[int, list[InputResult]] | None:
    """The first segment whose ordinals begin after `after`."""
    row = tx.execute(
        select(segment.c.first, segment.c.body)
        .where(segment.c.job == number, segment.c.first > after)
        .order_by(segment.c.first)
        .limit(1)
    ).one_or_none()
    return (row.first, frames.unpack_results(row.body)) if row else None


def result_of(tx: Tx, number: int, name: str) -> InputResult | None:
    """Looks through the names beside the chunks, then opens the one segment that holds the ordinal."""
    for first, position in _places(tx, number, name):
        row = tx.execute(
            select(segment.c.first, segment.c.body)
            .where(segment.c.job == number, segment.c.first <= first + position)
            .order_by(segment.c.first.desc())
            .limit(1)
        ).one_or_none()
        if row is not None:
            found = frames.unpack_results(row.body)
            offset: int = first + position - row.first
            if offset < len(found):
                return found[offset]
    return None


def knows_input(tx: Tx, number: int, name: str) -> bool:
    return next(_places(tx, number, name), None) is not None


def _places(tx: Tx, number: int, name: str) -> Iterator[tuple[int, int]]:
    rows = tx.execute(select(chunk.c.first, chunk.c.names).where(chunk.c.job == number).order_by(chunk.c.first))
    for first, raw in rows:
        row = frames.unpack_names(raw)
        if name in row:
            yield first, row.index(name)


def set_vote(tx: Tx, number: int, name: str, user: str, up: bool | None) -> None:
    mine = (vote.c.job == number, vote.c.input_name == name, vote.c.user == user)
    if up is None:
        tx.execute(delete(vote).where(*mine))
    elif tx.execute(update(vote).where(*mine).values(up=up)).rowcount == 0:
        tx.execute(insert(vote).values(job=number, input_name=name, user=user, up=up))


def votes(tx: Tx, number: int) -> dict[str, tuple[int, int]]:
    """Input name → (up, down), for the inputs that were voted on."""
    found: dict[str, tuple[int, int]] = {}
    for name, up, count in tx.execute(
        select(vote.c.input_name, vote.c.up, func.count())
        .where(vote.c.job == number)
        .group_by(vote.c.input_name, vote.c.up)
    ):
        before = found.get(name, (0, 0))
        found[name] = (count, before[1]) if up else (before[0], count)
    return found


def vote_of(tx: Tx, number: int, name: str, user: str) -> bool | None:
    up: bool | None = tx.scalar(
        select(vote.c.up).where(vote.c.job == number, vote.c.input_name == name, vote.c.user == user)
    )
    return up


def statistics(tx: Tx, account: str, keys: frozenset[str] | None) -> list[KeyStatistics]:
    conditions = [job.c.account == account] + ([job.c.key.in_(keys)] if keys is not None else [])
    found: dict[str, list[tuple[VersionKey, int, Millis]]] = {}
    for key, model, version, count, last in tx.execute(
        select(job.c.key, job.c.model, job.c.version, func.count(), func.max(job.c.submitted))
        .where(*conditions)
        .group_by(job.c.key, job.c.model, job.c.version)
        .order_by(job.c.key, job.c.model, job.c.version)
    ):
        found.setdefault(key, []).append((VersionKey(model, version), count, last))
    return [
        KeyStatistics(key, sum(row[1] for row in used), max(row[2] for row in used), tuple(row[:2] for row in used))
        for key, used in found.items()
    ]


def inputs_to_drop(tx: Tx, at: Millis, most: int) -> list[int]:
    """Jobs that ended longer ago than their hoursDeleteInput, and whose inputs are still kept."""
    return list(tx.scalars(select(job.c.number).where(job.c.drop_inputs_at <= at).limit(most)))


def drop_inputs(tx: Tx, number: int) -> None:
    tx.execute(update(chunk).where(chunk.c.job == number).values(payload=b""))
    tx.execute(delete(blob_use).where(blob_use.c.job == number, blob_use.c.is_input))
    tx.execute(update(job).where(job.c.number == number).values(drop_inputs_at=None))


def used_blobs(tx: Tx) -> set[str]:
    return set(tx.scalars(select(blob_use.c.digest).distinct()))
