"""Seats: first come first served, bounded, and they always come back unless the replica broke."""

import asyncio
import random

import pytest
from rooms.fleet.acting import Shout, ask

from headrace.domain.clock import now
from headrace.domain.errors import LimitReached, ModelFailed, NotStarted, ReplicaLost, Unavailable
from headrace.domain.ids import VersionKey
from headrace.fleet.demand import Demand
from headrace.fleet.routing import Replica, Routing, Trouble

KEY = VersionKey("echo", "1.0.0")
OTHER = VersionKey("other", "1.0.0")


@pytest.fixture
def routing() -> Routing:
    return Routing(Demand())


@pytest.fixture(autouse=True)
def _fate_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.fleet.seat.FATE", 0.0)


def replica(name: str = "one") -> Replica:
    return Replica(name, Shout())


async def said(routing: Routing, text: str, patience: float = 5) -> bytes:
    async with routing.seat(KEY, patience) as seat:
        answers = [answer async for answer in seat.run([ask(text)], 1)]
    return bytes(answers[0].outputs["results.json"].body)


async def test_a_seat_comes_back(routing: Routing) -> None:
    routing.add(KEY, replica())

    assert [b"A", b"B"] == [await said(routing, "a"), await said(routing, "b")]
    assert (1, 0, 0) == (routing.seats(KEY), routing.busy(KEY), routing.waiting(KEY))


async def test_a_seat_comes_back_when_its_holder_fails(routing: Routing) -> None:
    routing.add(KEY, replica())

    async def fail() -> None:
        async with routing.seat(KEY, 1):
            assert 1 == routing.busy(KEY)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert b"A" == await said(routing, "a")


async def test_nobody_free_is_a_sentence(routing: Routing) -> None:
    with pytest.raises(Unavailable, match=r"no replica of this model became free in 0 s"):
        async with routing.seat(KEY, 0):
            pass

    assert 0 == routing.waiting(KEY)


async def test_the_sentence_tells_the_last_failure(routing: Routing) -> None:
    routing.tell(KEY, Trouble(ModelFailed("no module named torch")))
    with pytest.raises(Unavailable, match="became free in 0 s: no module named torch"):
        async with routing.seat(KEY, 0):
            pass


async def test_a_version_that_cannot_start_turns_everybody_away_at_once(routing: Routing) -> None:
    async with asyncio.TaskGroup() as group:
        early = group.create_task(raised(routing, patience=60))
        await asyncio.sleep(0)
        routing.tell(KEY, Trouble(ModelFailed("no module named torch"), now() + 60_000))
    late = await raised(routing, patience=60)

    assert ["no replica of this model starts: no module named torch"] * 2 == [str(early.result()), str(late)]
    assert (NotStarted, NotStarted) == (type(early.result()), type(late))
    assert 59 < late.retry_after <= early.result().retry_after <= 60
    assert early.result() is not late


async def test_after_the_refusal_callers_may_wait_again(routing: Routing) -> None:
    routing.tell(KEY, Trouble(ModelFailed("broken"), now() - 1))
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(said(routing, "a"))
        await asyncio.sleep(0)
        routing.add(KEY, replica())

    assert b"A" == answer.result()


async def test_the_line_is_bounded() -> None:
    routing = Routing(Demand(), longest_line=2)
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(said(routing, str(n))) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="2 requests wait for this model"):
            await said(routing, "third")
        routing.add(KEY, replica())

    assert [b"0", b"1"] == [caller.result() for caller in callers]


async def test_waiting_rings_for_a_replica() -> None:
    demand = Demand()
    routing = Routing(demand)
    async with asyncio.TaskGroup() as group:
        group.create_task(said(routing, "a"))
        assert await demand.wait(5)
        assert (1, [KEY]) == (routing.waiting(KEY), routing.keys_waiting())
        routing.add(KEY, replica())


async def test_a_thousand_callers_are_served_in_order(routing: Routing) -> None:
    served: list[int] = []

    async def caller(number: int) -> None:
        async with routing.seat(KEY, 60) as seat:
            served.append(number)
            async for _ in seat.run([ask("x")], 1):
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(1_000):
            group.create_task(caller(number))
        await asyncio.sleep(0)
        assert 1_000 == routing.waiting(KEY)
        for name in ("one", "two", "three"):
            routing.add(KEY, replica(name))

    assert list(range(1_000)) == served
    assert (3, 0, 0) == (routing.seats(KEY), routing.busy(KEY), routing.waiting(KEY))


async def test_a_newcomer_does_not_pass_those_who_wait(routing: Routing) -> None:
    order: list[str] = []

    async def caller(name: str) -> None:
        async with routing.seat(KEY, 5):
            order.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(caller("first"))
        await asyncio.sleep(0)
        routing.add(KEY, replica())  # handed to the first, who has not woken up yet
        group.create_task(caller("second"))

    assert ["first", "second"] == order


async def test_a_caller_who_gives_up_in_the_moment_of_the_hand_over_loses_no_seat(routing: Routing) -> None:
    async with asyncio.TaskGroup() as group:
        quitter = group.create_task(said(routing, "never"))
        await asyncio.sleep(0)
        routing.add(KEY, replica())
        quitter.cancel()
        next_one = group.create_task(said(routing, "next"))

    assert b"NEXT" == next_one.result()
    assert 0 == routing.busy(KEY)


@pytest.mark.parametrize("seed", range(5))
async def test_no_seat_is_lost_whatever_callers_do(routing: Routing, seed: int) -> None:
    chance = random.Random(seed)
    held: list[str] = []

    async def caller() -> None:
        async with routing.seat(KEY, chance.choice([0, 0.001, 60])) as seat:
            assert seat.engine not in held
            held.append(seat.engine)
            try:
                for _ in range(chance.randrange(3)):
                    await asyncio.sleep(0)
            finally:
                held.remove(seat.engine)

    for name in ("one", "two"):
        routing.add(KEY, replica(name))
    tasks = []
    async with asyncio.TaskGroup() as group:
        for _ in range(300):
            tasks.append(group.create_task(quiet(caller)))
            if chance.random() < 0.3:
                chance.choice(tasks).cancel()
            if chance.random() < 0.3:
                await asyncio.sleep(0)

    assert (2, 0, 0) == (routing.seats(KEY), routing.busy(KEY), routing.waiting(KEY))
    assert [b"A", b"B"] == [await said(routing, "a"), await said(routing, "b")]


@pytest.mark.parametrize(("text", "error"), [("late", LimitReached), ("die", ReplicaLost), ("short", ReplicaLost)])
async def test_a_replica_that_broke_is_never_handed_out_again(
    routing: Routing, text: str, error: type[Exception]
) -> None:
    broken = replica("broken")
    routing.add(KEY, broken)
    with pytest.raises(error):
        await said(routing, text)

    assert broken.broken.is_set()
    with pytest.raises(Unavailable):
        await said(routing, "a", patience=0)


async def test_leaving_in_the_middle_of_an_answer_breaks_the_replica(routing: Routing) -> None:
    left = replica()
    routing.add(KEY, left)
    async with routing.seat(KEY, 1) as seat:
        async for _ in seat.run([ask("a"), ask("b")], 1):
            break

    assert left.broken.is_set()
    assert not left.blame


async def test_a_cancelled_caller_breaks_the_replica(routing: Routing) -> None:
    shout = Shout()
    left = Replica("left", shout)
    routing.add(KEY, left)
    async with asyncio.TaskGroup() as group:
        caller = group.create_task(said(routing, "wait"))
        await shout.begun.wait()
        caller.cancel()

    assert left.broken.is_set()
    assert 0 == routing.busy(KEY)


async def test_the_error_says_why_the_process_ended(routing: Routing) -> None:
    lost = replica("engine-7")
    routing.add(KEY, lost)
    lost.gone("it used 1.2 GB of memory, its limit is 1.0 GB")
    lost.broken.clear()  # as if the caller had been on it before it was seen
    with pytest.raises(ReplicaLost, match=r"^it used 1\.2 GB") as caught:
        await said(routing, "die")

    assert (0, "engine-7") == (caught.value.suspect, caught.value.technical)
    assert lost.blame


async def test_a_broken_seat_takes_no_more_questions(routing: Routing) -> None:
    routing.add(KEY, replica())
    async with routing.seat(KEY, 1) as seat:
        assert not seat.broken
        with pytest.raises(ReplicaLost):
            await anext(aiter(seat.run([ask("die")], 1)))
        assert seat.broken


async def test_an_idle_replica_that_broke_is_passed_over(routing: Routing) -> None:
    broken, good = replica("broken"), replica("good")
    routing.add(KEY, good)
    routing.add(KEY, broken)
    broken.gone("it exited with code 1")
    async with routing.seat(KEY, 1) as seat:
        assert "good" == seat.engine


async def test_a_removed_replica_finishes_what_it_has_and_gets_no_more(routing: Routing) -> None:
    leaving = replica()
    routing.add(KEY, leaving)
    async with asyncio.TaskGroup() as group, routing.seat(KEY, 1) as seat:
        routing.remove(KEY, leaving)
        drained = group.create_task(leaving.free())
        await asyncio.sleep(0)
        assert not drained.done()
        assert [b"A"] == [bytes(a.outputs["results.json"].body) async for a in seat.run([ask("a")], 1)]
    with pytest.raises(Unavailable):
        await said(routing, "a", patience=0)

    assert 0 == routing.seats(KEY)


async def test_a_replica_is_busy_from_the_hand_over_on(routing: Routing) -> None:
    leaving = replica()
    async with asyncio.TaskGroup() as group:
        caller = group.create_task(said(routing, "a"))
        await asyncio.sleep(0)
        routing.add(KEY, leaving)
        assert 1 == routing.busy(KEY)
        routing.remove(KEY, leaving)

    assert b"A" == caller.result()


async def test_the_one_used_last_is_used_next(routing: Routing) -> None:
    routing.add(KEY, replica("one"))
    routing.add(KEY, replica("two"))
    names = []
    for _ in range(3):
        async with routing.seat(KEY, 1) as seat:
            names.append(seat.engine)

    assert ["two"] * 3 == names


async def test_versions_do_not_know_each_other(routing: Routing) -> None:
    routing.add(OTHER, replica())
    with pytest.raises(Unavailable):
        await said(routing, "a", patience=0)


async def test_asking_for_what_never_ran_leaves_nothing_behind(routing: Routing) -> None:
    for number in range(10):
        with pytest.raises(Unavailable):
            async with routing.seat(VersionKey(str(number), "1.0.0"), 0):
                pass

    assert {} == routing._lines  # noqa: SLF001 - memory has no other door


async def raised(routing: Routing, patience: float) -> Exception:
    with pytest.raises((Unavailable, ModelFailed)) as caught:
        await said(routing, "a", patience)
    return caught.value


async def quiet(caller) -> None:
    try:
        await caller()
    except Unavailable:
        return
