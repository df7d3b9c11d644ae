"""The statements of the hot path, built once: building one anew costs more than SQLite takes to run it.

Parameters begin with `p_`, so that none is taken for a column.
"""

from sqlalchemy import BigInteger, BindParameter, and_, bindparam, case, delete, func, insert, select, update

from headrace.domain.clock import HOUR
from headrace.domain.job import LIVE, JobState
from headrace.jobs.tables import chunk, flow, job, lease, segment

_model: BindParameter[str] = bindparam("p_model")
_version: BindParameter[str] = bindparam("p_version")
_user: BindParameter[str] = bindparam("p_user")
_number: BindParameter[int] = bindparam("p_number", type_=BigInteger)
_now: BindParameter[int] = bindparam("p_now", type_=BigInteger)
_count: BindParameter[int] = bindparam("p_count", type_=BigInteger)
_flow_of_version = and_(flow.c.model == _model, flow.c.version == _version)
_flow_of_user = and_(_flow_of_version, flow.c.user == _user)
_jobs_of_user = and_(job.c.model == _model, job.c.version == _version, job.c.user == _user, job.c.ready > 0)

JOB_BY_ID = select(job).where(job.c.id == bindparam("p_id"))
JOB_BY_NUMBER = select(job).where(job.c.number == _number)
INSERT_JOB, INSERT_CHUNK, INSERT_SEGMENT = insert(job), insert(chunk), insert(segment)
INSERT_LEASE, INSERT_FLOW = insert(lease), insert(flow)

# Who is next: of the least served user, of that user's least served job.
LEAST_SERVED_USER = select(flow.c.user).where(_flow_of_version, flow.c.ready > 0).order_by(flow.c.vtime).limit(1)
LEAST_SERVED_JOB = select(job).where(_jobs_of_user).order_by(job.c.vtime, job.c.number).limit(1)
CAME_BACK = (
    select(lease.c.id, lease.c.first, lease.c.length, lease.c.strikes)
    .where(lease.c.job == _number, lease.c.token.is_(None))
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
    .values(length=bindparam("p_length"), token=bindparam("p_token"))
)
TAKE_FROM_JOB = (
    update(job)
    .where(job.c.number == _number)
    .values(
        ready=job.c.ready - _count,
        vtime=job.c.vtime + _count,
        next=bindparam("p_next"),
        state=JobState.IN_PROGRESS,
        started=func.coalesce(job.c.started, _now),
        updated=_now,
    )
)
TAKE_FROM_FLOW = update(flow).where(_flow_of_user).values(ready=flow.c.ready - _count, vtime=flow.c.vtime + _count)

# The end of a run, guarded by its token.
_held = and_(lease.c.id == bindparam("p_lease"), lease.c.token == bindparam("p_token"))
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
        queue_total=job.c.queue_total + bindparam("p_queued"),
        latency_total=job.c.latency_total + bindparam("p_latency"),
        updated=_now,
        state=case((_is_last, JobState.COMPLETED), else_=job.c.state),
        ended=case((_is_last, _now), else_=job.c.ended),
        deadline=case((_is_last, None), else_=job.c.deadline),
        drop_inputs_at=case((_is_last, _now + job.c.hours_delete_input * HOUR), else_=job.c.drop_inputs_at),
    )
)

# What becomes claimable, again or for the first time.
RETURN_TO_JOB = update(job).where(job.c.number == _number).values(ready=job.c.ready + _count)
RETURN_TO_FLOW = update(flow).where(_flow_of_user).values(ready=flow.c.ready + _count)
LEAST_FLOW = select(func.min(flow.c.vtime)).where(_flow_of_version, flow.c.ready > 0)
FLOW = select(flow.c.vtime, flow.c.ready).where(_flow_of_user)
WAKE_FLOW = update(flow).where(_flow_of_user).values(vtime=bindparam("p_vtime"), ready=flow.c.ready + _count)
LEAST_JOB = select(func.min(job.c.vtime)).where(_jobs_of_user)
WAKE_JOB = update(job).where(job.c.number == _number).values(ready=_count, vtime=bindparam("p_vtime"))
