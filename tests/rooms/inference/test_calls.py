"""Models that ask other models: in whose name, for how long, and never in a circle."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from databases import with_tables
from rooms.catalog.test_catalog_directory import ANN, BOB, Shelf
from rooms.inference.at_work import at_work

from headrace.dialects.calls import Asked, Call, Result
from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.ids import VersionKey
from headrace.domain.model import Scope
from headrace.domain.question import Answer, Fault, Form, Output, Question
from headrace.fleet.demand import Demand
from headrace.fleet.routing import Replica, Routing
from headrace.inference.ask import Ask
from headrace.inference.calls import DEEPEST, LATE, Calls
from headrace.storage.blobs import FolderBlobs
from headrace.storage.sqlite import Sqlite


@dataclass
class Heard:
    """What a model is told."""

    results: list[Result] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def say(self, result: Result) -> None:
        self.results.append(result)
        if not result.more:
            self.over.set()


class Model:
    """Answers with its name, twice to a stream; "wait" waits for its gate; "fail", "refuse" and "tell" are errors."""

    def __init__(self, name: str) -> None:
        self.name, self.gate, self.begun = name, asyncio.Event(), asyncio.Event()

    async def ready(self, _timeout):
        return ReplicaInfo()

    async def run(self, questions, _timeout):
        for question in questions:
            body = question.inputs[""]
            self.begun.set()
            if body == b"wait":
                await self.gate.wait()
            if body == b"fail":
                yield Answer(1, 2, 0.5, error="no luck")
                continue
            if body == b"refuse":
                yield Answer(1, 2, 0.5, error="no such input", fault=Fault.REQUEST)
                continue
            if body == b"tell":
                yield Answer(1, 2, 0.5, error="too cold", meta={"status": "422"})
                continue
            output = {"": Output(self.name.encode(), "application/octet-stream")}
            if question.stream:
                yield Answer(1, 2, 0.5, output, meta={"json": "1"}, more=True)
            yield Answer(1, 2, 0.5, output, meta={"json": "2"})

    def close(self):
        pass


class House:
    """Models of Ann's, each with a replica, and the room that lets them ask each other."""

    def __init__(self, shelf: Shelf, routing: Routing, calls: Calls) -> None:
        self.shelf, self.routing, self.calls = shelf, routing, calls
        self.models: dict[str, Model] = {}
        self.keys: dict[str, VersionKey] = {}

    async def add(self, *names: str, owner=ANN) -> None:
        for name in names:
            self.keys[name] = VersionKey(await self.shelf.add(name, "1.0.0", owner=owner), "1.0.0")
            self.models[name] = Model(name)
            self.routing.add(self.keys[name], Replica(name, self.models[name]))

    def call(self, caller: str, model: str, body: bytes = b"[]", seconds: float = 30.0, **more) -> tuple[Heard, object]:
        asked = Asked(1, self.keys[model].model if model in self.keys else model, **more)
        question = Question({"": body}, Form.V2_REST)
        heard = Heard()
        return heard, self.calls.call(Call(self.keys[caller], asked, question, seconds), heard)

    async def asked(self, *given, **more) -> list[Result]:
        heard, _ = self.call(*given, **more)
        async with asyncio.timeout(30):
            await heard.over.wait()
        return heard.results


@asynccontextmanager
async def opened(path, *, allowed=True):
    database = with_tables(Sqlite(":memory:"))
    shelf, routing = Shelf(database), Routing(Demand())
    async with at_work(Ask(routing)) as hall:
        calls = Calls(hall, shelf.directory, shelf.models, FolderBlobs(path, b"k" * 32), allowed=allowed)
        async with at_work(calls):
            await asyncio.sleep(0)  # its loop has begun
            await asyncio.sleep(0)
            yield House(shelf, routing, calls)
    database.close()


@pytest.fixture
async def house(tmp_path):
    async with opened(tmp_path) as found:
        yield found


async def test_an_answer_many_and_an_error(house):
    await house.add("a", "b")

    assert [Result(b"b", 2)] == await house.asked("a", "b")
    assert [Result(b"b", 1, more=True), Result(b"b", 2)] == await house.asked("a", "b", stream=True)
    assert [Result(b"b", 2)] == await house.asked("a", "b", sequence=7, start=True, end=True)
    assert [Result(error="no luck", status=500)] == await house.asked("a", "b", b"fail")
    assert [Result(error="no such input", status=400)] == await house.asked("a", "b", b"refuse")
    assert [Result(error="too cold", status=422)] == await house.asked("a", "b", b"tell")


async def test_what_the_owner_sees_and_no_more(house):
    await house.add("a", "mine")
    await house.add("theirs", owner=BOB)

    [refused] = await house.asked("a", "theirs")
    [unknown] = await house.asked("a", "nobody")
    assert refused.absent
    assert unknown.absent
    assert refused.error == unknown.error.replace("nobody", house.keys["theirs"].model)

    await house.shelf.show(house.keys["theirs"].model, Scope.ALL)
    assert [Result(b"theirs", 2)] == await house.asked("a", "theirs")
    assert [Result(b"mine", 2)] == await house.asked("a", "mine", version="1")


async def test_whether_there_is_a_model_without_asking_it(house):
    await house.add("a", "mine")
    await house.add("theirs", owner=BOB)

    assert [Result(b"null")] == await house.asked("a", "mine", about=True)
    assert [Result(b"null")] == await house.asked("a", "a", about=True)
    assert not house.models["mine"].begun.is_set()
    assert [True] == [one.absent for one in await house.asked("a", "theirs", about=True)]


async def test_never_in_a_circle(house):
    await house.add("a", "b", "c")
    waiting, _ = house.call("a", "b", b"wait")
    further, _ = house.call("b", "c", b"wait")
    async with asyncio.timeout(30):
        await house.models["b"].begun.wait()
        await house.models["c"].begun.wait()

    for caller, model in (("c", "a"), ("b", "a"), ("c", "b"), ("a", "a")):
        [refused] = await house.asked(caller, model)
        assert "they would wait for ever" in refused.error
    [fine] = await house.asked("a", "c", b"fail", seconds=0.01)  # c is busy, and a may wait for it
    assert LATE == fine.error

    for name in ("c", "b"):
        house.models[name].gate.set()
    async with asyncio.timeout(30):
        await further.over.wait()
        await waiting.over.wait()
    assert [Result(b"a", 2)] == await house.asked("c", "a")


async def test_a_chain_has_an_end(house):
    names = [f"m{number}" for number in range(DEEPEST + 2)]
    await house.add(*names)
    for caller, model in pairwise(names[:DEEPEST]):
        house.call(caller, model, b"wait")
        async with asyncio.timeout(30):
            await house.models[model].begun.wait()

    [refused] = await house.asked(names[DEEPEST - 1], names[DEEPEST])
    assert f"{DEEPEST} models wait for each other already" == refused.error


async def test_no_longer_than_the_question_behind_it_may_take(house):
    await house.add("a", "b")
    assert [Result(error=LATE, status=503)] == await house.asked("a", "b", b"wait", seconds=0.05)


async def test_who_is_stopped_waits_for_nobody_any_more(house):
    await house.add("a", "b")
    heard, stop = house.call("a", "b", b"wait")
    async with asyncio.timeout(30):
        await house.models["b"].begun.wait()
    stop()
    house.models["b"].gate.set()
    async with asyncio.timeout(30):
        while (await house.asked("b", "a"))[0].error is not None:
            await asyncio.sleep(0.01)
    assert [] == heard.results


async def test_where_it_is_not_allowed(tmp_path):
    async with opened(tmp_path, allowed=False) as house:
        await house.add("a", "b")
        [refused] = await house.asked("a", "b")
        assert "see the setting inference.calls" in refused.error


async def test_before_it_runs_nobody_is_taken(house):
    idle = Calls(house.calls._ask, house.shelf.directory, house.shelf.models, house.calls._blobs, allowed=True)  # noqa: SLF001 - the same parts
    assert idle.call(None, None) is None
