"""The statements of the hot path, prepared: building one anew costs more than SQLite takes to run it.

Parameters begin with `p_`, so that none is taken for a column; those of a new row have the names of its columns.
"""

from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Float,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    text,
    update,
)

from headrace.domain.clock import HOUR
from headrace.domain.ids import VersionKey
from headrace.domain.job import LIVE, Job, JobState
from headrace.domain.source import SourceKind
from headrace.jobs.tables import chunk, flow, job, lease, load, segment
from headrace.storage.prepared import Command, Insertion, Query


class Waiting(NamedTuple):
    model: str
    version: str
    ready: int


class Place(NamedTuple):
    """A node of the tree of a version: see fair.py."""

    node: str
    ready: int
    vtime: float
    clock: float


class Served(NamedTuple):
    node: str
    vtime: float


class Next(NamedTuple):
    """The job that is next. `next`: its first input that nobody has claimed yet."""

    job: Job
    next: int
    vtime: float


class CameBack(NamedTuple):
    id: int
    first: int
    length: int
    strikes: int
    tries: int


class Chunk(NamedTuple):
    first: int
    length: int
    size: int
    payload: bytes


class Load(NamedTuple):
    jobs: int
    inputs: int
    size: int


def job_of(*values: Any) -> Job:
    """The job of a row that has JOB_COLUMNS."""
    identifier, number, account, team, user, key, model, version, kind, state, explain, *rest = values
    return Job(
        identifier, number, account, team, user, key, VersionKey(model, version), SourceKind(kind), JobState(state),
        bool(explain), *rest,
    )  # fmt: skip


def _next(after: int, vtime: float, *values: Any) -> Next:
    return Next(job_of(*values), after, vtime)


def _number_of(value: int) -> int:
    return value


# In the order of the fields of Job.
JOB_COLUMNS = (
    job.c.id, job.c.number, job.c.account, job.c.team, job.c.user, job.c.key, job.c.model, job.c.version, job.c.kind,
    job.c.state, job.c.explain, job.c.timeout, job.c.total, job.c.completed, job.c.failed, job.c.canceled,
    job.c.input_bytes, job.c.created, job.c.updated, job.c.submitted, job.c.started, job.c.ended, job.c.queue_total,
    job.c.latency_total, job.c.hours_delete_input, job.c.priority, job.c.dead,
)  # fmt: skip

_model: BindParameter[str] = bindparam("p_model")
_version: BindParameter[str] = bindparam("p_version")
_team: BindParameter[str] = bindparam("p_team")
_user: BindParameter[str] = bindparam("p_user")
_node: BindParameter[str] = bindparam("p_node")  # of the user
_number: BindParameter[int] = bindparam("p_number", type_=BigInteger)
_now: BindParameter[int] = bindparam("p_now", type_=BigInteger)
_count: BindParameter[int] = bindparam("p_count", type_=BigInteger)
_level: BindParameter[float] = bindparam("p_level", type_=Float)
NOTHING = literal_column(
    "0", BigInteger
)  # as it stands in the condition of an index: SQLite would plan anew for a value

JOB_BY_ID = Query(select(*JOB_COLUMNS).where(job.c.id == bindparam("p_id")), job_of)
JOB_BY_NUMBER = Query(select(*JOB_COLUMNS).where(job.c.number == _number), job_of)
INSERT_JOB, INSERT_LEASE = Insertion(job, numbered=True), Insertion(lease, numbered=True)
INSERT_CHUNK, INSERT_SEGMENT = Insertion(chunk), Insertion(segment)

# The tree of a version: "", the team, the user below it. Roots alone say what waits.
ROOT = ""
_of_version = and_(flow.c.model == _model, flow.c.version == _version)
_path = and_(_of_version, or_(flow.c.node == ROOT, flow.c.node == _team, flow.c.node == _node))
WAITING = Query(
    select(flow.c.model, flow.c.version, flow.c.ready).where(flow.c.parent.is_(None), flow.c.ready > NOTHING), Waiting
)
PLANT = Command(
    text(
        "insert into flow (model, version, node, parent, ready, vtime, clock, weight)"
        " values (:model, :version, :node, :parent, 0, 0, 0, :weight) on conflict do nothing"
    )
)
PATH = Query(select(flow.c.node, flow.c.ready, flow.c.vtime, flow.c.clock).where(_path), Place)
WAKE_FLOWS = Command(
    update(flow)
    .where(_path)
    .values(
        ready=flow.c.ready + _count,
        vtime=case(
            (flow.c.node == _team, bindparam("p_team_vtime", type_=Float)),
            (flow.c.node == _node, bindparam("p_user_vtime", type_=Float)),
            else_=flow.c.vtime,
        ),
    )
)
WAKE_JOB = Command(
    update(job)
    .where(job.c.number == _number)
    .values(
        ready=job.c.ready + _count,
        vtime=case((or_(job.c.ready > 0, job.c.vtime > _level), job.c.vtime), else_=_level),
    )
)
SLEEP_FLOWS = Command(update(flow).where(_path).values(ready=flow.c.ready - _count))

# Who is next: of the least served team the least served user, and of that user's jobs the least served one.
LEAST_SERVED = Query(
    select(flow.c.node, flow.c.vtime)
    .where(_of_version, flow.c.parent == bindparam("p_parent"), flow.c.ready > NOTHING)
    .order_by(flow.c.vtime)
    .limit(1),
    Served,
)
LEAST_SERVED_JOB = Query(
    select(job.c.next, job.c.vtime, *JOB_COLUMNS)
    .where(
        job.c.model == _model,
        job.c.version == _version,
        job.c.team == _team,
        job.c.user == _user,
        job.c.ready > NOTHING,
    )
    .order_by(job.c.vtime, job.c.number)
    .limit(1),
    _next,
)
CAME_BACK = Query(
    select(lease.c.id, lease.c.first, lease.c.length, lease.c.strikes, lease.c.tries)
    .where(lease.c.job == _number, lease.c.token.is_(None), lease.c.due.is_(None))
    .order_by(lease.c.first)
    .limit(1),
    CameBack,
)
CHUNK_OF = Query(
    select(chunk.c.first, chunk.c.length, chunk.c.bytes, chunk.c.payload)
    .where(chunk.c.job == _number, chunk.c.first <= bindparam("p_ordinal"))
    .order_by(chunk.c.first.desc())
    .limit(1),
    Chunk,
)
TAKE_LEASE = Command(
    update(lease)
    .where(lease.c.id == bindparam("p_lease"))
    .values(
        length=bindparam("p_length"),
        token=bindparam("p_token"),
        server=bindparam("p_server"),
        until=bindparam("p_until"),
    )
)
TAKE_FROM_JOB = Command(
    update(job)
    .where(job.c.number == _number)
    .values(
        ready=job.c.ready - _count,
        vtime=job.c.vtime + cast(_count, Float) / job.c.priority,
        next=bindparam("p_next"),
        state=JobState.IN_PROGRESS,
        started=func.coalesce(job.c.started, _now),
        updated=_now,
    )
)
TAKE_FROM_FLOWS = Command(
    update(flow)
    .where(_path)
    .values(
        ready=flow.c.ready - _count,
        vtime=flow.c.vtime + cast(_count, Float) / flow.c.weight,
        clock=case(
            (flow.c.node == ROOT, bindparam("p_team_vtime", type_=Float)),
            (flow.c.node == _team, bindparam("p_user_vtime", type_=Float)),
            else_=bindparam("p_job_vtime", type_=Float),
        ),
    )
)

# The end of a run, guarded by its token, and by where it stands: a commit that seemed to fail is not done twice.
_mine = and_(lease.c.id == bindparam("p_lease"), lease.c.token == bindparam("p_token"))
_held = and_(_mine, lease.c.first == bindparam("p_old"))
FIRST_OF_LEASE = Query(select(lease.c.first).where(_mine), _number_of)
SHORTEN_LEASE = Command(update(lease).where(_held).values(first=bindparam("p_first"), length=bindparam("p_length")))
END_LEASE = Command(delete(lease).where(_held))
_good: BindParameter[int] = bindparam("p_good", type_=BigInteger)
_bad: BindParameter[int] = bindparam("p_bad", type_=BigInteger)
_done = job.c.completed + job.c.failed + job.c.canceled + _good + _bad
_is_live = or_(*(job.c.state == state for state in sorted(LIVE)))
_is_last = and_(_is_live, _done == job.c.total)
COUNT_RESULTS = Command(
    update(job)
    .where(job.c.number == _number)
    .values(
        completed=job.c.completed + _good,
        failed=job.c.failed + _bad,
        dead=job.c.dead + bindparam("p_dead", type_=BigInteger),
        queue_total=job.c.queue_total + bindparam("p_queued"),
        latency_total=job.c.latency_total + bindparam("p_latency"),
        updated=_now,
        state=case((_is_last, JobState.COMPLETED), else_=job.c.state),
        ended=case((_is_last, _now), else_=job.c.ended),
        deadline=case((_is_last, cast(null(), BigInteger)), else_=job.c.deadline),
        drop_inputs_at=case(
            (_is_last, _now + cast(job.c.hours_delete_input, BigInteger) * HOUR), else_=job.c.drop_inputs_at
        ),
    )
)

# What an account has under way: taken when a job goes into the queue, given back when it ends.
_account: BindParameter[str] = bindparam("p_account")
_bytes: BindParameter[int] = bindparam("p_bytes", type_=BigInteger)
TAKE_LOAD = Command(
    update(load)
    .where(
        load.c.account == _account,
        load.c.inputs + _count <= bindparam("p_most_inputs", type_=BigInteger),
        load.c.bytes + _bytes <= bindparam("p_most_bytes", type_=BigInteger),
    )
    .values(jobs=load.c.jobs + 1, inputs=load.c.inputs + _count, bytes=load.c.bytes + _bytes)
)
GIVE_BACK_LOAD = Command(
    update(load)
    .where(load.c.account == _account)
    .values(jobs=load.c.jobs - 1, inputs=load.c.inputs - _count, bytes=load.c.bytes - _bytes)
)
LOAD_OF = Query(select(load.c.jobs, load.c.inputs, load.c.bytes).where(load.c.account == _account), Load)
FIRST_LOAD = Command(
    text("insert into load (account, jobs, inputs, bytes) values (:account, 0, 0, 0) on conflict do nothing")
)
