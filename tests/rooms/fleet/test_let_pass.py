"""Who holds a seat for long lets pass who waits with something brief, and has the seat back after each."""

import asyncio

import pytest
from rooms.fleet.acting import Shout, ask

from headrace.domain.errors import ReplicaLost
from headrace.domain.ids import VersionKey
from headrace.fleet.demand import Demand
from headrace.fleet.routing import Replica, Routing, Seat

KEY = VersionKey("echo", "1.0.0")


@pytest.fixture
def routing() -> Routing:
    routing = Routing(Demand())
    routing.add(KEY, Replica("one", Shout()))
    return routing


async def run(seat: Seat, text: str, order: list[str]) -> None:
    answers = [answer async for answer in seat.run([ask(text)], 1)]
    order.append(bytes(answers[0].outputs["results.json"].body).decode())


async def brief(routing: Routing, text: str, order: list[str]) -> None:
    with await routing.brief_seat(KEY) as seat:
        await run(seat, text, order)


async def test_brief_callers_and_the_holder_take_turns(routing: Routing) -> None:
    order: list[str] = []
    async with asyncio.TaskGroup() as group, routing.seat(KEY, 1) as seat:
        for text in ("brief 1", "brief 2"):
            group.create_task(brief(routing, text, order))
        await asyncio.sleep(0)
        for text in ("job 1", "job 2", "job 3", "job 4"):
            await seat.let_pass()
            await run(seat, text, order)

    assert ["JOB 1", "BRIEF 1", "JOB 2", "BRIEF 2", "JOB 3", "JOB 4"] == order
    assert (1, 0, 0) == (routing.free(KEY), routing.busy(KEY), routing.waiting(KEY))


async def test_others_who_want_long_seats_do_not_pass(routing: Routing) -> None:
    order: list[str] = []

    async def other() -> None:
        async with routing.seat(KEY, 5) as seat:
            await run(seat, "other", order)

    async with asyncio.TaskGroup() as group, routing.seat(KEY, 1) as seat:
        await run(seat, "job 1", order)
        group.create_task(other())
        await asyncio.sleep(0)
        await seat.let_pass()
        await run(seat, "job 2", order)

    assert ["JOB 1", "JOB 2", "OTHER"] == order


async def test_the_holder_comes_back_before_those_who_wait(routing: Routing) -> None:
    order: list[str] = []

    async def other() -> None:
        async with routing.seat(KEY, 5) as seat:
            await run(seat, "other", order)

    async with asyncio.TaskGroup() as group, routing.seat(KEY, 1) as seat:
        await run(seat, "job 1", order)
        group.create_task(other())
        group.create_task(brief(routing, "brief", order))
        await asyncio.sleep(0)
        await seat.let_pass()
        await run(seat, "job 2", order)

    assert ["JOB 1", "BRIEF", "JOB 2", "OTHER"] == order


async def test_a_holder_whose_replica_broke_meanwhile_gets_another_or_hears_of_it(
    routing: Routing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.fleet.seat.FATE", 0.0)
    monkeypatch.setattr("headrace.fleet.routing.AWAY", 0.01)
    order: list[str] = []

    async def broken() -> None:
        with pytest.raises(ReplicaLost):
            await brief(routing, "die", order)

    async with asyncio.TaskGroup() as group:
        async with routing.seat(KEY, 1) as seat:
            await run(seat, "job 1", order)
            group.create_task(broken())
            await asyncio.sleep(0)
            with pytest.raises(ReplicaLost) as caught:
                await seat.let_pass()
            assert (None, True) == (caught.value.suspect, seat.broken)
        routing.add(KEY, Replica("two", Shout()))
        await brief(routing, "next", order)

    assert ["JOB 1", "NEXT"] == order
    assert (1, 0) == (routing.free(KEY), routing.waiting(KEY))


async def test_a_holder_who_is_stopped_while_others_pass_loses_no_seat() -> None:
    routing, shout, order = Routing(Demand()), Shout(), []
    routing.add(KEY, Replica("one", shout))
    may_pass = asyncio.Event()

    async def holder() -> None:
        async with routing.seat(KEY, 1) as seat:
            await run(seat, "job", order)
            await may_pass.wait()
            shout.begun.clear()
            await seat.let_pass()

    async with asyncio.TaskGroup() as group:
        stopped = group.create_task(holder())
        await asyncio.sleep(0)
        group.create_task(brief(routing, "wait", order))
        await asyncio.sleep(0)
        may_pass.set()
        await asyncio.sleep(0)
        await shout.begun.wait()  # the brief caller has the replica, its holder waits for it
        assert 1 == routing.waiting(KEY)
        stopped.cancel()
        shout.door.set()

    assert ["JOB", "WAIT"] == order
    assert (1, 0, 0) == (routing.free(KEY), routing.busy(KEY), routing.waiting(KEY))
