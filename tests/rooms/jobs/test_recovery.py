"""Who holds inputs and is gone, who hangs, who lives; and faults of ours, which are met with pauses."""

import asyncio

import pytest
from rooms.jobs.house import ANN, job_house
from rooms.jobs.stored_jobs import named

from headrace.domain.clock import HOUR, now, steady
from headrace.domain.errors import NotFound, StorageFailed
from headrace.domain.job import NewJob
from headrace.domain.source import SourceKind
from headrace.jobs import claim_rows, fair, lease_rows
from headrace.jobs.claim_rows import Claimer, Most
from headrace.jobs.recovery import Recovery
from headrace.settings import JobSettings


class Others:
    """Servers that share a database: those in `buried` are known to be dead."""

    me, look = "me", 0.05

    def __init__(self):
        self.buried = set()

    def dead(self, _tx):
        return self.buried

    def gone(self, _tx, server):
        return server in self.buried


@pytest.fixture
async def house(tmp_path):
    async with job_house(tmp_path, JobSettings(lease=300), loops=False) as house:
        object.__setattr__(house.room, "servers", Others())
        yield house


async def submitted(house, inputs):
    found = tuple(named(inputs))
    for one in found:
        object.__setattr__(one, "bodies", {"input.txt": one.bodies["x"]})
    return await house.submit.submit(ANN, NewJob(house.key, SourceKind.TEXT, found))


async def held_by(house, server, count, until=None):
    by = Claimer(server, f"{server:0>16}", steady() + 300 if until is None else until)
    return await house.room.database.write(lambda tx: claim_rows.claim(tx, house.key, Most(count, 1 << 20), by, now()))


async def waiting(house):
    return (await house.room.database.read(fair.waiting)).get(house.key, 0)


async def test_the_leases_of_a_dead_server_come_back_at_once_and_no_others(house):
    await submitted(house, 9)
    await held_by(house, "dead", 4, until=steady() + HOUR)
    await held_by(house, "alive", 2, until=steady() - HOUR)
    house.room.servers.buried = {"dead"}

    assert 4 == await Recovery(house.room).start()
    assert 7 == await waiting(house)


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 0])
async def test_a_clock_that_jumps_neither_takes_leases_from_the_living_nor_leaves_them_with_the_dead(house, jump):
    """`until` in the rows is as wrong as a clock can be; only whether it changes counts."""
    await submitted(house, 9)
    await held_by(house, "hangs", 4, until=steady() + jump)
    await held_by(house, "lives", 2, until=steady() + jump)
    recovery, back, begun = Recovery(house.room), 0, steady()

    while not back:
        await house.room.database.write(lambda tx: lease_rows.renew(tx, "lives", steady() + jump))
        back = await recovery.look()
        assert steady() - begun < 30_000
        await asyncio.sleep(0.02)
    assert steady() - begun >= 300
    assert (4, 7) == (back, await waiting(house))


async def test_a_claim_of_ours_that_nobody_has_in_hand_comes_back(house):
    """Its commit seemed to fail, or its worker met something unexpected."""
    await submitted(house, 9)
    with house.room.claimer() as claimer:
        await house.room.database.write(lambda tx: claim_rows.claim(tx, house.key, Most(4, 1 << 20), claimer, now()))
        recovery = Recovery(house.room)
        assert [0, 0, 0] == [await recovery.look() for _ in range(3)]
    assert 4 == await recovery.look() + await recovery.look()


async def test_leases_are_renewed_while_a_worker_is_at_it(house):
    await submitted(house, 9)
    with house.room.claimer() as claimer:
        await house.room.database.write(lambda tx: claim_rows.claim(tx, house.key, Most(4, 1 << 20), claimer, now()))
        recovery = Recovery(house.room)
        async with asyncio.timeout(30):
            while (await house.room.database.read(lease_rows.held))[0].until <= claimer.until:
                await recovery.look()
                await asyncio.sleep(0.02)


async def run_to_its_end(house, job):
    running = asyncio.ensure_future(house.dispatch.run())
    try:
        async with asyncio.timeout(60):
            while not (found := await house.history.job(ANN, job.id)).over:
                await house.history.wait_until_over(job.id, 0.2)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return found


@pytest.fixture
async def quick(tmp_path):
    async with job_house(tmp_path, JobSettings(retry_after=20, tries=3), loops=False) as house:
        yield house


async def test_a_fault_of_ours_is_met_with_another_try_and_concerns_nobody_else(quick):
    seen = []

    async def model(bodies):
        seen.append(bodies["input.txt"])
        if bodies["input.txt"] == b"5" and seen.count(b"5") < 3:
            raise StorageFailed("a stored body cannot be read: Input/output error")
        return b"1"

    for number in range(9):
        quick.replica(model, f"engine-{number}")
    ended = await run_to_its_end(quick, await submitted(quick, 12))
    assert (12, 0, 0) == (ended.completed, ended.failed, ended.dead)
    assert 3 == seen.count(b"5")


@pytest.mark.parametrize(
    ("error", "tries"), [(StorageFailed("the body was changed on disk"), 3), (NotFound("the body is gone"), None)]
)
async def test_a_fault_that_stays_ends_as_a_dead_letter(quick, error, tries):
    seen = []

    async def model(bodies):
        seen.append(bodies["input.txt"])
        if bodies["input.txt"] == b"5":
            raise type(error)(error.message)
        return b"1"

    for number in range(9):
        quick.replica(model, f"engine-{number}")
    job = await submitted(quick, 12)
    ended = await run_to_its_end(quick, job)
    assert (11, 1, 1) == (ended.completed, ended.failed, ended.dead)
    assert error.message == (await quick.history.result(job, "i5")).error
    assert tries in (None, seen.count(b"5"))


async def test_a_bug_of_ours_costs_tries_and_not_the_server(quick):
    async def model(_bodies):
        raise RuntimeError("nobody thought of this")

    for number in range(9):
        quick.replica(model, f"engine-{number}")
    ended = await run_to_its_end(quick, await submitted(quick, 1))
    assert (0, 1, 1) == (ended.completed, ended.failed, ended.dead)


async def test_while_nothing_is_stored_nobody_looks_into_the_database(house, monkeypatch):
    def asleep(_tx):
        raise AssertionError("it was asleep")

    recovery = Recovery(house.room)
    await submitted(house, 9)
    assert 0 == await recovery.look()
    with monkeypatch.context() as patched:
        patched.setattr(lease_rows, "held", asleep)
        patched.setattr(lease_rows, "next_due", asleep)
        assert 0 == await recovery.look()
        assert Others.look == await recovery._pause()  # noqa: SLF001

    await held_by(house, "me", 4)  # by nobody who has it in hand
    assert [0, 4] == [await recovery.look(), await recovery.look()]


async def test_nor_does_who_hands_out_work(house, monkeypatch):
    def asleep(_tx):
        raise AssertionError("it was asleep")

    async with asyncio.TaskGroup() as group:
        await house.dispatch._look(group)  # noqa: SLF001
        with monkeypatch.context() as patched:
            patched.setattr(fair, "waiting", asleep)
            await house.dispatch._look(group)  # noqa: SLF001

        await submitted(house, 9)
        house.replica(lambda inputs: asyncio.sleep(0, inputs["input.txt"]))
        await house.dispatch._look(group)  # noqa: SLF001
    assert 0 == await waiting(house)
