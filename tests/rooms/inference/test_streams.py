"""Questions with any number of answers: a seat alone, the caller's pace, and a replica that survives who leaves."""

import asyncio
import json
from contextlib import aclosing

import pytest
from rooms.inference.at_work import at_work
from rooms.inference.counting import Counter, until

from headrace.domain.errors import ModelFailed, Unavailable
from headrace.domain.ids import VersionKey
from headrace.domain.question import Form, Question
from headrace.fleet.demand import Demand
from headrace.fleet.routing import Replica, Routing
from headrace.inference.ask import Ask

KEY = VersionKey("counts", "1.0.0")


@pytest.fixture(autouse=True)
def _fate_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.fleet.seat.FATE", 0.0)


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def routing(counter: Counter) -> Routing:
    routing = Routing(Demand())
    routing.add(KEY, Replica("one", counter))
    return routing


@pytest.fixture
async def hall(routing: Routing):
    async with at_work(Ask(routing)) as hall:
        await asyncio.sleep(0)  # its loop has begun
        await asyncio.sleep(0)
        yield hall


def stream(hall: Ask, patience: float = 30.0, **parameters):
    question = Question({"": json.dumps({"parameters": parameters}).encode()}, Form.V2_REST)
    return hall.stream(KEY, question, patience=patience, timeout=30)


def number(answer) -> int:
    return json.loads(answer.outputs[""].body)["outputs"][0]["data"][0]


async def test_answers_in_order_and_an_end(hall: Ask) -> None:
    *found, end = [answer async for answer in stream(hall, n=5)]

    assert [0, 1, 2, 3, 4] == [number(answer) for answer in found]
    assert (False, {}) == (end.more, dict(end.outputs))
    counts = hall.counts[KEY]
    assert (1, 1, 1, 6.0) == (counts.answers, counts.rows, counts.calls, counts.latency)
    assert [(1, 0)] * 5 + [(0, 1)] == [(place.success, place.empty) for place in counts.places]


async def test_the_first_comes_before_the_last_is_made(hall: Ask, counter: Counter) -> None:
    async with aclosing(stream(hall, n=2, wait=1)) as answers:
        assert 0 == number(await anext(answers))
        assert 1 == counter.made
        counter.gate.release()
        assert 1 == number(await anext(answers))


async def test_the_model_goes_no_faster_than_its_reader(hall: Ask, counter: Counter) -> None:
    read = 0
    async for answer in stream(hall, n=200):
        read += answer.more
        await asyncio.sleep(0)
        assert counter.made <= read + 4


async def test_who_leaves_stops_the_model_and_the_replica_lives(hall: Ask, counter: Counter, routing: Routing) -> None:
    async with aclosing(stream(hall, n=1_000_000, wait=1)) as answers:
        await anext(answers)
    await until(lambda: not routing.busy(KEY))

    assert (1, 1, 1) == (counter.made, counter.refused, counter.ended)
    assert (1, 0) == (hall.counts[KEY].canceled, hall.counts[KEY].broken)
    assert [0, 1] == [number(answer) async for answer in stream(hall, n=2) if answer.more]


async def test_who_is_cancelled_leaves_too(hall: Ask, counter: Counter, routing: Routing) -> None:
    async def read() -> None:
        async with aclosing(stream(hall, n=1_000_000, wait=1)) as answers:
            async for _ in answers:
                pass

    async with asyncio.TaskGroup() as group:
        reader = group.create_task(read())
        await until(lambda: counter.made)
        reader.cancel()
    await until(lambda: not routing.busy(KEY))

    assert (1, 0) == (counter.ended, hall.counts[KEY].broken)


async def test_an_error_is_the_last_answer(hall: Ask) -> None:
    *found, error = [answer async for answer in stream(hall, n=5, fail=2)]

    assert ([0, 1], "no more") == ([number(answer) for answer in found], error.error)
    assert (0, 1) == (hall.counts[KEY].answers, hall.counts[KEY].errors)
    assert [(1, 0), (1, 0), (0, 1)] == [(place.success, place.fail) for place in hall.counts[KEY].places]


async def test_a_replica_that_dies_in_between(hall: Ask) -> None:
    answers = stream(hall, n=5, die=2)
    found = [number(await anext(answers)), number(await anext(answers))]
    with pytest.raises(ModelFailed, match="it died"):
        await anext(answers)

    assert [0, 1] == found
    assert (1, 1) == (hall.counts[KEY].lost, hall.counts[KEY].broken)


async def test_nobody_free_in_time(hall: Ask) -> None:
    async with aclosing(stream(hall, n=2, wait=1)) as first:
        await anext(first)
        with pytest.raises(Unavailable, match="no replica"):
            await anext(stream(hall, patience=0, n=1))
    assert 1 == hall.counts[KEY].turned_away


async def test_many_streams_share_a_replica_one_after_the_other(hall: Ask) -> None:
    async def read(count: int) -> list[int]:
        return [number(answer) async for answer in stream(hall, n=count) if answer.more]

    found = await asyncio.gather(*(read(count) for count in range(20)))
    assert [list(range(count)) for count in range(20)] == found


async def test_the_end_of_the_server_ends_streams(routing: Routing) -> None:
    async with at_work(Ask(routing)) as hall:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        answers = stream(hall, n=2, wait=1)
        await anext(answers)
    with pytest.raises(Unavailable, match="stopping"):
        await anext(answers)
    with pytest.raises(Unavailable, match="stopping"):
        await anext(stream(hall, n=1))
