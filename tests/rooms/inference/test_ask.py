"""The hall: patience, limits, one more try when the replica was gone before, and the counts."""

import pytest
from rooms.fleet.acting import Shout, ask
from rooms.inference.at_work import at_work

from headrace.domain.errors import LimitReached, ModelFailed, Unavailable
from headrace.domain.ids import VersionKey
from headrace.fleet.demand import Demand
from headrace.fleet.routing import Replica, Routing
from headrace.inference.ask import Ask

KEY = VersionKey("echo", "1.0.0")


@pytest.fixture(autouse=True)
def _fate_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.fleet.seat.FATE", 0.0)


@pytest.fixture
def routing() -> Routing:
    routing = Routing(Demand())
    for name in ("one", "two"):
        routing.add(KEY, Replica(name, Shout()))
    return routing


@pytest.fixture
async def hall(routing: Routing):
    async with at_work(Ask(routing)) as hall:
        yield hall


async def one(hall: Ask, text: str):
    return await hall.one(KEY, ask(text), patience=0, timeout=1)


async def test_one_question(hall: Ask) -> None:
    answer = await one(hall, "a")

    assert b"A" == answer.outputs["results.json"].body
    assert 1 == hall.counts[KEY].answers


async def test_the_models_no_is_an_answer(hall: Ask) -> None:

    assert "it says no" == (await one(hall, "no")).error
    assert (0, 1, 0.5) == (hall.counts[KEY].answers, hall.counts[KEY].errors, hall.counts[KEY].latency)


async def test_many_questions_on_one_seat(hall: Ask) -> None:
    async with hall.seat(KEY, 1) as seat:
        first = [bytes(a.outputs["results.json"].body) async for a in seat.run([ask("a"), ask("b")], 1)]
        second = [bytes(a.outputs["results.json"].body) async for a in seat.run([ask("c")], 1)]

    assert [b"A", b"B", b"C"] == first + second
    assert (3, 0) == (hall.counts[KEY].answers, hall.counts[KEY].broken)


async def test_too_slow_is_told(hall: Ask) -> None:
    with pytest.raises(LimitReached, match="did not answer within 1 s"):
        await one(hall, "late")

    assert 1 == hall.counts[KEY].broken


async def test_a_replica_that_dies_at_a_question_is_the_questions_fault(hall: Ask) -> None:
    with pytest.raises(ModelFailed, match="connection closed"):
        await one(hall, "die")

    assert b"A" == (await one(hall, "a")).outputs["results.json"].body


async def test_a_replica_that_was_gone_before_costs_one_more_try(hall: Ask) -> None:
    with pytest.raises(ModelFailed, match="connection closed"):
        await one(hall, "gone")  # on both replicas

    assert 2 == hall.counts[KEY].broken


async def test_who_gets_no_seat_is_counted() -> None:
    async with at_work(Ask(Routing(Demand()))) as hall:
        with pytest.raises(Unavailable):
            await one(hall, "a")

    assert 1 == hall.counts[KEY].turned_away
