"""The statements of the hot path, built once: building one anew costs more than SQLite takes to run it.

Parameters begin with `p_`, so that none is taken for a column.
"""

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
    insert,
    null,
    or_,
    select,
    text,
    update,
)

from headrace.domain.clock import HOUR
from headrace.domain.job import LIVE, JobState
from headrace.jobs.tables import chunk, flow, job, lease, load, segment

_model: BindParameter[str] = bindparam("p_model")
_version: BindParameter[str] = bindparam("p_version")
_team: BindParameter[str] = bindparam("p_team")
_user: BindParameter[str] = bindparam("p_user")
_node: BindParameter[str] = bindparam("p_node")  # of the user
_number: BindParameter[int] = bindparam("p_number", type_=BigInteger)
_now: BindParameter[int] = bindparam("p_now", type_=BigInteger)
_count: BindParameter[int] = bindparam("p_count", type_=BigInteger)
_level: BindParameter[float] = bindparam("p_level", type_=Float)

JOB_BY_ID = select(job).where(job.c.id == bindparam("p_id"))
JOB_BY_NUMBER = select(job).where(job.c.number == _number)
INSERT_JOB, INSERT_CHUNK, INSERT_SEGMENT = insert(job), insert(chunk), insert(segment)
INSERT_LEASE = insert(lease)

# The tree of a version: "", the team, the user below it. Roots alone say what waits.
ROOT = ""
_of_version = and_(flow.c.model == _model, flow.c.version == _version)
_path = and_(_of_version, or_(flow.c.node == ROOT, flow.c.node == _team, flow.c.node == _node))
WAITING = select(flow.c.model, flow.c.version, flow.c.ready).where(flow.c.parent.is_(None), flow.c.ready > 0)
PLANT = text(
    "insert into flow (model, version, node, parent, ready, vtime, clock, weight)"
    " values (:model, :version, :node, :parent, 0, 0, 0, :weight) on conflict do nothing"
)
PATH = select(flow.c.node, flow.c.ready, flow.c.vtime, flow.c.clock).where(_path)
WAKE_FLOWS = (
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
WAKE_JOB = (
    update(job)
    .where(job.c.number == _number)
    .values(
        ready=job.c.ready + _count,
        vtime=case((or_(job.c.ready > 0, job.c.vtime > _level), job.c.vtime), else_=_level),
    )
)
SLEEP_FLOWS = update(flow).where(_path).values(ready=flow.c.ready - _count)

# Who is next: of the least served team the least served user, and of that user's jobs the least served one.
LEAST_SERVED = (
    select(flow.c.node, flow.c.vtime)
    .where(_of_version, flow.c.parent == bindparam("p_parent"), flow.c.ready > 0)
    .order_by(flow.c.vtime)
    .limit(1)
)
LEAST_SERVED_JOB = (
    select(job)
    .where(job.c.model == _model, job.c.version == _version, job.c.team == _team, job.c.user == _user, job.c.ready > 0)
    .order_by(job.c.vtime, job.c.number)
    .limit(1)
)
CAME_BACK = (
    select(lease.c.id, lease.c.first, lease.c.length, lease.c.strikes, lease.c.tries)
    .where(lease.c.job == _number, lease.c.token.is_(None), lease.c.due.is_(None))
    .order_by(lease.c.first)
    .limit(1)
)
CHUNK_OF = (
    select(chunk.c.first, chunk.c.length, chunk.c.bytes, chunk.c.payload)
    .where(chunk.c.job == _number, chunk.c.first <= bindparam("p_ordinal"))
    .order_by(chunk.c.first.desc())
    .limit(1)
)
TAKE_LEASE = (
    update(lease)
    .where(lease.c.id == bindparam("p_lease"))
    .values(
        length=bindparam("p_length"),
        token=bindparam("p_token"),
        server=bindparam("p_server"),
        until=bindparam("p_until"),
    )
)
TAKE_FROM_JOB = (
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
TAKE_FROM_FLOWS = (
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
FIRST_OF_LEASE = select(lease.c.first).where(_mine)
SHORTEN_LEASE = update(lease).where(_held).values(first=bindparam("p_first"), length=bindparam("p_length"))
END_LEASE = delete(lease).where(_held)
_good: BindParameter[int] = bindparam("p_good", type_=BigInteger)
_bad: BindParameter[int] = bindparam("p_bad", type_=BigInteger)
_done = job.c.completed + job.c.failed + job.c.canceled + _good + _bad
_is_last = and_(job.c.state.in_(LIVE), _done == job.c.total)
COUNT_RESULTS = (
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
TAKE_LOAD = (
    update(load)
    .where(
        load.c.account == _account,
        load.c.inputs + _count <= bindparam("p_most_inputs", type_=BigInteger),
        load.c.bytes + _bytes <= bindparam("p_most_bytes", type_=BigInteger),
    )
    .values(jobs=load.c.jobs + 1, inputs=load.c.inputs + _count, bytes=load.c.bytes + _bytes)
)
GIVE_BACK_LOAD = (
    update(load)
    .where(load.c.account == _account)
    .values(jobs=load.c.jobs - 1, inputs=load.c.inputs - _count, bytes=load.c.bytes - _bytes)
)
LOAD_OF = select(load.c.jobs, load.c.inputs, load.c.bytes).where(load.c.account == _account)
FIRST_LOAD = text("insert into load (account, jobs, inputs, bytes) values (:account, 0, 0, 0) on conflict do nothing")
