"""Jobs through the engine: submit, claim, ask, finish, read; and everything that may go wrong on the way."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
from rooms.jobs.house import ANN, allow, job_house, principal, used
from sqlalchemy import event

from headrace.domain.account import Role
from headrace.domain.body import INLINE, whole
from headrace.domain.clock import now
from headrace.domain.errors import Conflict, Invalid, LimitReached, NotFound, QuotaExceeded, ReplicaLost, TooLarge
from headrace.domain.job import JobInput, JobState, NewJob
from headrace.domain.model import Scope, Visibility
from headrace.domain.source import SourceKind
from headrace.domain.version import VersionStatus
from headrace.inference.pace import Pace
from headrace.jobs import claim_rows, fair, frames
from headrace.jobs.claim_rows import Claimer, Done, Most
from headrace.jobs.finish import Finish
from headrace.jobs.history_rows import HistoryQuery
from headrace.jobs.run import Limits
from headrace.jobs.stock import CHUNK_INPUTS
from headrace.jobs.worker import Work, Worker
from headrace.settings import JobSettings


@pytest.fixture
async def house(tmp_path):
    async with job_house(tmp_path) as house:
        yield house


async def echo(bodies):
    await asyncio.sleep(0)
    return bytes(bodies["input.txt"])


def text_job(house, inputs, **changes):
    found = tuple(JobInput(name, {"input.txt": body}) for name, body in inputs.items())
    return replace(NewJob(house.key, SourceKind.TEXT, found), **changes)


async def test_a_job_goes_all_the_way(house):
    house.replica(echo)
    job = await house.submit.submit(ANN, text_job(house, {"a": b'"hi"', "ü/…": b"2"}))
    assert JobState.SUBMITTED is job.state

    ended = await house.over(job, ANN)
    assert (JobState.COMPLETED, 2, 2, 0, 0) == (ended.state, ended.total, ended.completed, ended.failed, ended.pending)
    results = await house.results(job)
    assert {"a": b'"hi"', "ü/…": b"2"} == {name: one.outputs["results.json"].body for name, one in results.items()}
    assert {"engine-1"} == {one.engine for one in results.values()}
    assert results["a"] == await house.history.result(job, "a")
    assert ["a", "ü/…"] == await house.history.names(job, 10)


async def test_many_inputs_over_several_chunks_and_replicas_come_back_once_each(house):
    house.replica(echo, "one")
    house.replica(echo, "two")
    inputs = {f"i{n}": b"%d" % n for n in range(3_500)}
    job = await house.submit.submit(ANN, text_job(house, inputs))

    ended = await house.over(job, ANN)
    results = await house.results(job)
    assert (3_500, 0) == (ended.completed, ended.failed)
    assert inputs == {name: one.outputs["results.json"].body for name, one in results.items()}
    assert b"3210" == (await house.history.result(job, "i3210")).outputs["results.json"].body


async def test_others_are_answered_while_a_large_job_goes_in(house):
    taken, total = 0, 20_000

    class Inputs(list):
        def __iter__(self):
            nonlocal taken
            for one in super().__iter__():
                taken += 1
                yield one

    some = [JobInput(f"i{n}", {"input.txt": b"x"} if n % 3 else {}) for n in range(total)]  # a third is refused
    submitting = asyncio.ensure_future(house.submit.submit(ANN, NewJob(house.key, SourceKind.TEXT, Inputs(some))))
    seen = [0]
    while not submitting.done():  # each turn somebody else may be answered
        await asyncio.sleep(0)
        seen.append(taken)
    assert total == taken
    assert max(after - before for before, after in pairwise(seen)) <= 2 * CHUNK_INPUTS
    job = await submitting
    assert (total, len(range(0, total, 3))) == (job.total, job.failed)
    assert {one.name for one in some} == set(await house.history.names(job, total))


async def test_an_error_of_the_model_is_a_result(house):
    async def picky(bodies):
        if bodies["input.txt"] == b"bad":
            raise ValueError("I do not like this")
        return b"1"

    house.replica(picky)
    job = await house.submit.submit(ANN, text_job(house, {"a": b"bad", "b": b"good"}))

    ended = await house.over(job, ANN)
    assert (JobState.COMPLETED, 1, 1) == (ended.state, ended.completed, ended.failed)
    assert "I do not like this" == (await house.results(job))["a"].error


async def test_an_input_without_the_models_key_fails_alone_and_at_once(house):
    bad = JobInput("bad", {"wrong.txt": b"x"})
    job = await house.submit.submit(ANN, NewJob(house.key, SourceKind.TEXT, (bad,)))

    assert (JobState.COMPLETED, 1) == (job.state, job.failed)
    assert "input.txt" in (await house.results(job))["bad"].error
    assert ["bad"] == await house.history.names(job, 10)


async def test_partial_results_show_while_the_job_runs(house):
    gate = asyncio.Event()

    async def slow(bodies):
        if bodies["input.txt"] == b"last":
            await gate.wait()
        return b"1"

    house.replica(slow)
    job = await house.submit.submit(ANN, text_job(house, {"a": b"x", "b": b"x", "z": b"last"}))
    async with asyncio.timeout(5):
        while len(await house.results(job)) < 2:
            await asyncio.sleep(0.01)
    under_way = await house.history.job(ANN, job.id)
    assert (JobState.IN_PROGRESS, 2, 1) == (under_way.state, under_way.completed, under_way.pending)
    with pytest.raises(NotFound, match="no result yet"):
        await house.history.result(job, "z")
    with pytest.raises(NotFound, match="no input"):
        await house.history.result(job, "nobody")
    gate.set()
    assert 3 == (await house.over(job, ANN)).completed


async def test_a_replica_that_dies_takes_only_the_poison_with_it(house):
    async def dies(bodies):
        if bodies["input.txt"] == b"poison":
            raise ReplicaLost("the process was killed by signal 9")
        return b"1"

    for n in range(4):
        house.replica(dies, f"engine-{n}")
    inputs = {f"i{n}": b"poison" if n == 5 else b"x" for n in range(12)}
    job = await house.submit.submit(ANN, text_job(house, inputs))

    ended = await house.over(job, ANN)
    assert (11, 1) == (ended.completed, ended.failed)
    assert "signal 9" in (await house.results(job))["i5"].error


async def test_an_input_over_its_time_fails_without_a_second_try(house):
    tries = []

    async def slow(bodies):
        tries.append(bodies)
        raise LimitReached("did not answer within 5 s (timeout.run)")

    house.replica(slow)
    job = await house.submit.submit(ANN, text_job(house, {"a": b"x"}))
    assert 1 == (await house.over(job, ANN)).failed
    assert 1 == len(tries)


async def test_cancel_is_exact_and_drops_late_results(house):
    started, gate = asyncio.Event(), asyncio.Event()

    async def slow(bodies):
        if bodies["input.txt"] == b"0":
            return b"1"
        started.set()
        await gate.wait()
        return b"1"

    house.replica(slow)
    job = await house.submit.submit(ANN, text_job(house, {f"i{n}": b"%d" % n for n in range(9)}))
    await started.wait()
    canceled = await house.cancel.cancel(ANN, job.id)
    assert (JobState.CANCELED, 9) == (canceled.state, canceled.completed + canceled.canceled)
    gate.set()
    await asyncio.sleep(0.3)
    after = await house.history.job(ANN, job.id)
    assert canceled == after
    assert canceled == await house.cancel.cancel(ANN, job.id)  # a second time changes nothing


async def test_a_cancelled_job_frees_a_replica_that_does_not_end(house):
    started = asyncio.Event()

    async def stuck(_bodies):
        started.set()
        await asyncio.Event().wait()

    replica = house.replica(stuck)
    job = await house.submit.submit(ANN, text_job(house, {"a": b"x"}))
    await started.wait()
    await house.cancel.cancel(ANN, job.id)
    async with asyncio.timeout(4):
        await replica.broken.wait()


async def test_a_job_that_takes_too_long_times_out(house):
    house.replica(lambda _bodies: asyncio.Event().wait())
    job = await house.submit.submit(ANN, text_job(house, {"a": b"x"}, timeout=100))

    ended = await house.over(job, ANN)
    assert (JobState.TIMEDOUT, 1) == (ended.state, ended.canceled)


async def test_quota_is_charged_at_submission_and_given_back_for_failures_and_cancels(house):
    async def fails(_bodies):
        raise ValueError("no")

    await house.room.database.write(lambda tx: allow(tx, "ann", 3))
    house.replica(fails)
    job = await house.submit.submit(ANN, text_job(house, {"a": b"x", "b": b"x", "c": b"x"}))
    with pytest.raises(QuotaExceeded):
        await house.submit.submit(ANN, text_job(house, {"d": b"x"}))
    await house.over(job, ANN)
    assert 0 == await used(house)


async def test_over_quota_nothing_is_stored(house):
    await house.room.database.write(lambda tx: allow(tx, "ann", 1))
    with pytest.raises(QuotaExceeded):
        await house.submit.submit(ANN, text_job(house, {"a": b"x", "b": b"x"}))
    assert [] == await house.history.find(ANN, HistoryQuery())


async def test_large_bodies_become_blobs_and_come_back(house):
    async def size(bodies):
        body = bodies["input.txt"]
        return b"%d" % len(await whole(body, house.blobs))

    house.replica(size)
    job = await house.submit.submit(ANN, text_job(house, {"a": b"x" * (INLINE + 1), "b": b"y"}))
    await house.over(job, ANN)
    assert b"65537" == (await house.results(job))["a"].outputs["results.json"].body


async def pieces(*parts):
    for part in parts:
        yield part


async def test_files_in_pieces(house):
    async def size(bodies):
        return b"%d" % len(await whole(bodies["input.txt"], house.blobs))

    house.replica(size)
    job = await house.submit.submit(ANN, NewJob(house.key, SourceKind.FILE, None))
    assert JobState.OPEN is job.state
    for _ in range(3):
        await house.uploads.append(ANN, job.id, ("big", "input.txt"), pieces(b"x" * 50_000, b"y" * 50_000))
    await house.uploads.append(ANN, job.id, ("small", "input.txt"), pieces(b"abc"))
    closed = await house.uploads.close(ANN, job.id)
    assert (JobState.SUBMITTED, 2, 300_003) == (closed.state, closed.total, closed.input_bytes)

    await house.over(job, ANN)
    results = await house.results(job)
    assert [b"300000", b"3"] == [results[name].outputs["results.json"].body for name in ("big", "small")]
    with pytest.raises(Conflict, match="only an OPEN job"):
        await house.uploads.append(ANN, job.id, ("late", "input.txt"), pieces(b"x"))
    with pytest.raises(Conflict):
        await house.uploads.close(ANN, job.id)


async def test_a_lost_piece_may_be_sent_again(house):
    async def broken():
        yield b"half"
        raise ConnectionError

    house.replica(echo)
    job = await house.submit.submit(ANN, NewJob(house.key, SourceKind.FILE, None))
    await house.uploads.append(ANN, job.id, ("a", "input.txt"), pieces(b"1"))
    with pytest.raises(ConnectionError):
        await house.uploads.append(ANN, job.id, ("a", "input.txt"), broken())
    await house.uploads.append(ANN, job.id, ("a", "input.txt"), pieces(b"2"))
    await house.uploads.close(ANN, job.id)
    await house.over(job, ANN)
    assert b"12" == (await house.results(job))["a"].outputs["results.json"].body


async def test_an_open_job_closed_without_data_is_over(house):
    job = await house.submit.submit(ANN, NewJob(house.key, SourceKind.FILE, None))
    assert JobState.COMPLETED is (await house.uploads.close(ANN, job.id)).state


async def test_too_many_inputs_are_refused(tmp_path):
    async with job_house(tmp_path, JobSettings(inputs=2), loops=False) as house:
        with pytest.raises(TooLarge, match="2 inputs"):
            await house.submit.submit(ANN, text_job(house, {"a": b"", "b": b"", "c": b""}))


async def test_an_inactive_or_unknown_version_is_told(house):
    with pytest.raises(NotFound):
        await house.submit.submit(
            ANN, replace(text_job(house, {"a": b""}), version=replace(house.key, version="9.9.9"))
        )
    await house.versions.change(house.key, lambda one: replace(one, status=VersionStatus.INACTIVE), now())
    with pytest.raises(Invalid, match="not active"):
        await house.submit.submit(ANN, text_job(house, {"a": b""}))


async def test_a_model_that_the_caller_may_not_see_takes_no_job_from_the_next_one_on(house):
    bob = principal("bob", Role.DATA_SCIENTIST)
    for scope in (Scope.ALL, Scope.PRIVATE, Scope.ACCOUNT):
        await house.models.change(house.key.model, lambda one: replace(one, visibility=Visibility(scope)), now())  # noqa: B023
        if scope is Scope.PRIVATE:
            with pytest.raises(NotFound, match="not found"):
                await house.submit.submit(bob, text_job(house, {"a": b"x"}))
        else:
            await house.submit.submit(bob, text_job(house, {"a": b"x"}))


async def test_others_do_not_see_a_job(house):
    bob = principal("bob")
    job = await house.submit.submit(ANN, text_job(house, {"a": b"x"}))
    for act in (house.history.job(bob, job.id), house.cancel.cancel(bob, job.id), house.uploads.close(bob, job.id)):
        with pytest.raises(NotFound):
            await act
    assert [] == await house.history.find(bob, HistoryQuery())
    assert [job.id] == [one.id for one in await house.history.find(ANN, HistoryQuery())]


async def test_a_restart_takes_up_what_was_under_way(tmp_path):
    async with job_house(tmp_path, loops=False) as house:
        job = await house.submit.submit(ANN, text_job(house, {f"i{n}": b"%d" % n for n in range(30)}))
        other = Claimer("a server that is dead", "0" * 16, now())
        held = await house.room.database.write(
            lambda tx: claim_rows.claim(tx, house.key, Most(10, 1 << 20), other, now())
        )
        assert 10 == held.count
        house.replica(echo)
        running = asyncio.ensure_future(house.dispatch.run())  # the next server: it takes back what was held
        assert 30 == (await house.over(job, ANN)).completed
        assert (await house.room.database.write(lambda tx: claim_rows.finish(tx, held, Done(0), now()))) is None
        running.cancel()


async def claimed_together(house, *bodies):
    """Jobs of one input each, and the claims of all of them in one transaction."""
    jobs = [await house.submit.submit(ANN, text_job(house, {"a": body})) for body in bodies]
    with house.room.claimer() as claimer:
        at, most = now(), Most(1, 1 << 20)
        claims = await house.room.database.write(
            lambda tx: claim_rows.claim_some(tx, house.key, most, len(jobs), claimer, at)
        )
    assert [job.id for job in jobs] == [one.job.id for one in claims]
    return jobs, [Work(one, frames.unpack_inputs(one.payload)) for one in claims]


async def worked_off(house, claims):
    worker = Worker(Finish(house.room), house.room.watch, Pace())
    async with house.routing.seat(house.key, 5) as seat:
        await worker.work(seat, claims, Limits(5, strikes=2, tries=2, batch=10))


async def counts(house, jobs):
    found = [await house.history.job(ANN, job.id) for job in jobs]
    return [(job.state, job.completed) for job in found]


@pytest.fixture
async def still(tmp_path):
    """Without its loops: a test does their work."""
    async with job_house(tmp_path, loops=False) as house:
        yield house


async def test_small_jobs_that_were_claimed_together_are_stored_by_one_commit(still):
    still.replica(echo)
    jobs, claims = await claimed_together(still, b"1", b"2", b"3")
    commits = []
    event.listen(still.room.database.engine, "commit", lambda _connection: commits.append(1))
    await worked_off(still, claims)

    assert 1 == len(commits)
    assert [(JobState.COMPLETED, 1)] * 3 == await counts(still, jobs)


async def test_a_replica_that_dies_leaves_the_other_claims_of_its_worker_unharmed(still):
    died = []

    async def dies_once(bodies):
        if bodies["input.txt"] == b"poison" and not died:
            died.append(1)
            raise ReplicaLost("the process was killed by signal 9")
        return b"1"

    still.replica(dies_once, "one")
    jobs, claims = await claimed_together(still, b"1", b"poison", b"3")
    await worked_off(still, claims)
    done, waits = (JobState.COMPLETED, 1), (JobState.IN_PROGRESS, 0)
    assert [done, waits, waits] == await counts(still, jobs)

    still.replica(dies_once, "two")
    with still.room.claimer() as claimer:
        again = await still.room.database.write(
            lambda tx: [claim_rows.claim(tx, still.key, Most(1, 1 << 20), claimer, now()) for _ in range(2)]
        )
    assert {jobs[1].id: 1, jobs[2].id: 0} == {one.job.id: one.strikes for one in again}
    await worked_off(still, [Work(one, frames.unpack_inputs(one.payload)) for one in again])
    assert [done] * 3 == await counts(still, jobs)


async def test_a_cancelled_job_that_does_not_end_lets_the_others_of_its_worker_go_back(still):
    started = asyncio.Event()

    async def stuck(bodies):
        if bodies["input.txt"] == b"stuck":
            started.set()
            await asyncio.Event().wait()
        return b"1"

    still.replica(stuck)
    jobs, claims = await claimed_together(still, b"1", b"stuck", b"3")
    working = asyncio.ensure_future(worked_off(still, claims))
    await started.wait()
    await still.cancel.cancel(ANN, jobs[1].id)
    await working
    expected = [(JobState.COMPLETED, 1), (JobState.CANCELED, 0), (JobState.IN_PROGRESS, 0)]
    assert expected == await counts(still, jobs)
    assert {still.key: 1} == await still.room.database.read(fair.waiting)
