"""A clock that somebody sets does not end a job before its time, and a job that comes after that has its own."""

from types import SimpleNamespace

from rooms.jobs.house import ANN, job_house
from sqlalchemy import select

from headrace.domain.clock import HOUR, Steps, now
from headrace.domain.job import JobInput, NewJob
from headrace.domain.source import SourceKind
from headrace.jobs import rows
from headrace.jobs.tables import job

MINUTE = 60_000


def patient(house):
    return NewJob(house.key, SourceKind.TEXT, (JobInput("x", {"input.txt": b"x"}),), timeout=10 * MINUTE)


async def deadline(house, stored):
    return await house.room.database.read(
        lambda tx: tx.scalar(select(job.c.deadline).where(job.c.number == stored.number))
    )


def test_a_clock_that_nobody_sets_makes_no_steps():
    assert 0 == Steps().step()


def test_a_step_is_told_until_it_was_taken_into_account():
    steps = Steps()
    steps.taken(-HOUR)  # as if the clock had been set forward by an hour

    assert abs(steps.step() - HOUR) < MINUTE
    steps.taken(steps.step())
    assert 0 == steps.step()


async def test_deadlines_move_with_the_clock(tmp_path):
    async with job_house(tmp_path, loops=False) as house:
        first = await house.submit.submit(ANN, patient(house))
        before = await deadline(house, first)
        await house.deadlines.look()
        assert before == await deadline(house, first)

        house.deadlines.steps.taken(-HOUR)
        later = await house.submit.submit(ANN, patient(house))
        own = await deadline(house, later)
        await house.deadlines.look()

        assert abs(await deadline(house, first) - before - HOUR) < MINUTE
        assert own == await deadline(house, later)
        assert not (await house.history.job(ANN, first.id)).over


async def test_a_step_in_the_middle_of_a_look_ends_nothing(tmp_path, monkeypatch):
    jump = [0]

    def newest(tx):
        jump[0] = HOUR  # after it was seen that nobody had set the clock
        return rows.newest(tx)

    monkeypatch.setattr("headrace.jobs.cancel.now", lambda: now() + jump[0])
    monkeypatch.setattr("headrace.jobs.cancel.rows", SimpleNamespace(**vars(rows) | {"newest": newest}))
    async with job_house(tmp_path, loops=False) as house:
        first = await house.submit.submit(ANN, patient(house))
        await house.deadlines.look()

        assert HOUR == jump[0]
        assert not (await house.history.job(ANN, first.id)).over
