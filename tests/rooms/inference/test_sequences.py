"""Sequences: the same replica, one request after the other, and a plain sentence when it is gone."""

import asyncio
from contextlib import aclosing

import pytest
from rooms.inference.at_work import at_work
from rooms.inference.counting import until

from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.clock import now
from headrace.domain.errors import Conflict, Invalid, ModelFailed, ReplicaLost, Unavailable
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Output, Question
from headrace.fleet.demand import Demand
from headrace.fleet.routing import Replica, Routing
from headrace.inference.ask import Ask, Step
from headrace.settings import InferenceSettings

KEY = VersionKey("sums", "1.0.0")


class Sums:
    """A replica that adds up what it is given, for each sequence; "die" ends it, "wait" waits for its door."""

    def __init__(self) -> None:
        self.sums: dict[str, int] = {}
        self.seen: list[bytes] = []
        self.door = asyncio.Event()

    async def ready(self, _timeout):
        return ReplicaInfo()

    async def run(self, questions, _timeout):
        for question in questions:
            name, value = question.inputs[""].decode().split()
            self.seen.append(question.inputs[""])
            if value == "die":
                raise ReplicaLost("it died", suspect=0)
            if value == "wait":
                await self.door.wait()
                value = "0"
            self.sums[name] = self.sums.get(name, 0) + int(value)
            yield Answer(now(), now(), 1.0, {"": Output(str(self.sums[name]).encode(), "text/plain")})

    def close(self):
        pass


@pytest.fixture(autouse=True)
def _fate_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.fleet.seat.FATE", 0.0)


@pytest.fixture
def sums() -> list[Sums]:
    return [Sums() for _ in range(3)]


@pytest.fixture
def routing(sums: list[Sums]) -> Routing:
    routing = Routing(Demand())
    for number, one in enumerate(sums):
        routing.add(KEY, Replica(f"engine-{number}", one))
    return routing


class Hall:
    def __init__(self, ask: Ask) -> None:
        self.ask = ask

    async def step(self, name: str, value: object, *, owner: str = "team", patience: float = 30, **flags: bool) -> int:
        question, step = Question({"": f"{name} {value}".encode()}), Step(name, owner, **flags)
        answer = await self.ask.in_sequence(KEY, question, step, patience=patience, timeout=30)
        return int(answer.outputs[""].body)


@pytest.fixture
async def hall(routing: Routing):
    async with at_work(Ask(routing, InferenceSettings(sequences=20))) as ask:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield Hall(ask)


async def test_a_sequence_stays_on_its_replica(hall: Hall, sums: list[Sums]) -> None:
    names = [f"s{number}" for number in range(9)]
    for value in (1, 10, 100):
        await asyncio.gather(*(hall.step(name, value, start=value == 1) for name in names))

    for name in names:
        assert [111] == [one.sums[name] for one in sums if name in one.sums]


async def test_sequences_are_spread_over_the_replicas(hall: Hall, sums: list[Sums]) -> None:
    for number in range(9):
        await hall.step(f"s{number}", 1, start=True)
    assert [3, 3, 3] == [len(one.sums) for one in sums]
    for number in range(9):
        await hall.step(f"s{number}", 1, end=True)
    assert not vars(vars(hall.ask)["_sequences"])["_held"]


async def test_requests_are_answered_in_the_order_they_came(hall: Hall, sums: list[Sums]) -> None:
    await hall.step("a", 0, start=True)
    found = await asyncio.gather(*(hall.step("a", value) for value in range(1, 50)))

    assert [sum(range(value + 1)) for value in range(1, 50)] == found
    assert 1 == len([one for one in sums if one.seen])


async def test_others_use_the_replica_in_between(hall: Hall, routing: Routing, sums: list[Sums]) -> None:
    """Callers without a sequence and callers of several sequences share one replica; none waits for ever."""
    for replica in routing.free_replicas(KEY)[1:]:
        routing.remove(KEY, replica)
    await asyncio.gather(*(hall.step(name, 0, start=True) for name in "ab"))
    steps = [hall.step(name, 1) for _ in range(20) for name in "ab"]
    others = [only(hall.ask) for _ in range(20)]
    async with asyncio.timeout(60):
        found = await asyncio.gather(*steps, *others)
    assert sorted([*range(1, 21), *range(1, 21)]) == sorted(found[:40])
    assert [{"a": 20, "b": 20, "free": 20}] == [one.sums for one in sums if one.sums]


async def only(ask: Ask) -> Answer:
    return await ask.one(KEY, Question({"": b"free 1"}), patience=30, timeout=30)


async def test_a_sequence_whose_replica_ended_is_lost(hall: Hall, sums: list[Sums]) -> None:
    await hall.step("a", 5, start=True)
    with pytest.raises(ModelFailed, match="it died"):
        await hall.step("a", "die")
    for _ in range(2):
        with pytest.raises(Invalid, match="sequence a is lost: the replica that held it has ended"):
            await hall.step("a", 1)
    assert 2 == await hall.step("a", 2, start=True)
    assert 5 == await hall.step("a", 3)
    assert 3 == len([seen for one in sums for seen in one.seen if seen == b"a 1"]) + 3


async def test_a_replica_that_is_taken_back_loses_its_sequences(hall: Hall, routing: Routing) -> None:
    await hall.step("a", 5, start=True)
    replica = await replica_of(hall, routing)
    waiting = asyncio.ensure_future(hall.step("a", "wait"))
    await until(lambda: routing.busy(KEY))
    later = asyncio.ensure_future(hall.step("a", 1))
    routing.remove(KEY, replica)
    replica.dialect.door.set()
    assert 5 == await waiting
    with pytest.raises(Invalid, match="is lost"):
        await later


async def replica_of(hall: Hall, routing: Routing) -> Replica:
    [found] = [one for one in vars(routing)["_lines"][KEY].replicas.values() if one.dialect.sums]
    del hall
    return found


async def test_an_ended_sequence_is_forgotten(hall: Hall) -> None:
    await hall.step("a", 1, start=True)
    await hall.step("a", 1, end=True)
    sequences = vars(hall.ask)["_sequences"]
    assert 0 == len(sequences)
    await hall.step("b", 1, start=True, end=True)
    assert 0 == len(sequences)


async def test_idle_sequences_are_forgotten(routing: Routing) -> None:
    async with at_work(Ask(routing, InferenceSettings(sequence_idle=0.0))) as ask:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        hall = Hall(ask)
        for name in "abcdef":
            await hall.step(name, 1, start=True)
        assert 1 == len(vars(ask)["_sequences"])


async def test_one_that_is_under_way_keeps_no_idle_ones(routing: Routing, sums: list[Sums]) -> None:
    """However long its request takes; the others make room for new ones."""
    settings = InferenceSettings(sequence_idle=0.0, sequences=3)
    async with at_work(Ask(routing, settings)) as ask:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        hall = Hall(ask)
        waiting = asyncio.ensure_future(hall.step("long", "wait", start=True))
        await until(lambda: routing.busy(KEY))
        for number in range(6):
            assert 1 == await hall.step(f"s{number}", 1, start=True)
        assert 2 == len(vars(ask)["_sequences"])
        for one in sums:
            one.door.set()
        assert 0 == await waiting
        assert 7 == await hall.step("long", 7)


async def test_only_so_many_at_once(hall: Hall) -> None:
    for number in range(20):
        await hall.step(f"s{number}", 1, start=True)
    with pytest.raises(Unavailable, match="20 sequences are under way"):
        await hall.step("more", 1, start=True)
    await hall.step("s0", 1, end=True)
    assert 1 == await hall.step("more", 1, start=True)


async def test_two_teams_do_not_share_a_sequence(hall: Hall) -> None:
    await hall.step("a", 1, start=True)
    with pytest.raises(Conflict, match="in use by others"):
        await hall.step("a", 1, owner="others")


async def test_patience(hall: Hall, sums: list[Sums], routing: Routing) -> None:
    await hall.step("a", 1, start=True)
    waiting = asyncio.ensure_future(hall.step("a", "wait"))
    await until(lambda: routing.busy(KEY))
    with pytest.raises(Unavailable, match="the requests of sequence a before this one"):
        await hall.step("a", 1, patience=0)
    for one in sums:
        one.door.set()
    assert 1 == await waiting
    assert 2 == await hall.step("a", 1)


async def test_a_stream_in_a_sequence(hall: Hall) -> None:
    await hall.step("a", 1, start=True)
    question, step = Question({"": b"a 4"}), Step("a", "team")
    async with aclosing(hall.ask.stream(KEY, question, patience=30, timeout=30, step=step)) as answers:
        assert [b"5"] == [answer.outputs[""].body async for answer in answers]


async def test_who_leaves_while_waiting_blocks_nobody(hall: Hall, sums: list[Sums], routing: Routing) -> None:
    await hall.step("a", 1, start=True)
    waiting = asyncio.ensure_future(hall.step("a", "wait"))
    await until(lambda: routing.busy(KEY))
    leaving = [asyncio.ensure_future(hall.step("a", 1)) for _ in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for one in leaving:
        one.cancel()
    for one in sums:
        one.door.set()
    assert 1 == await waiting
    assert 2 == await hall.step("a", 1)
