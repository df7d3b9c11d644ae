"""Requests that lie in memory which we share with a real replica, and what it may do to them."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from engines.keeper import Keeper

from headrace.dialects.frames import Frames
from headrace.dialects.slots import Lent, Slots
from headrace.domain.errors import LimitReached, ReplicaLost
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Form, Question
from headrace.runners.limits import tree

COUNT = 50_000  # numbers in one request
DEADLINE = 30.0


@pytest.fixture
async def frames(keeper: Keeper) -> AsyncIterator[Frames]:
    async with keeper.engine("keeps") as (_, frames):
        await frames.ready(DEADLINE)
        yield frames


class Taker:
    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.over: asyncio.Future[LimitReached | ReplicaLost | None] = asyncio.get_running_loop().create_future()

    def took(self, answers: Sequence[Answer]) -> None:
        self.answers += answers

    def ended(self, error: LimitReached | ReplicaLost | None) -> None:
        self.over.set_result(error)


def put(slots: Slots, number: float) -> Question:
    """A request whose numbers are all the same."""
    shape = {"name": "x", "datatype": "FP32", "shape": [COUNT], "parameters": {"binary_data_size": 4 * COUNT}}
    head = json.dumps({"inputs": [shape]}).encode()
    slot = slots.take(VersionKey("", ""), len(head) + 4 * COUNT)
    assert slot is not None
    slot.view[:] = head + struct.pack("<f", number) * COUNT
    return Question({"": slot}, Form.V2_REST, meta={"json": str(len(head))})


async def told(frames: Frames, questions: Sequence[Question]) -> list[dict[str, list[float]]]:
    """The straight way."""
    taker = Taker()
    assert frames.straight(questions, DEADLINE, taker)
    assert await asyncio.wait_for(taker.over, DEADLINE) is None
    return [read(answer) for answer in taker.answers]


def read(answer: Answer) -> dict[str, list[float]]:
    assert answer.error is None
    body = answer.outputs[""].body
    assert isinstance(body, bytes)
    return {one["name"]: one["data"] for one in json.loads(body)["outputs"]}


async def test_a_model_may_keep_and_change_what_it_was_given(frames: Frames) -> None:
    """Its own copy stays as it left it, and what it did to it is in no other request."""
    slots = Slots(64 << 20)
    numbers = set()
    for turn in range(6):
        question = put(slots, turn + 1)
        slot = question.inputs[""]
        assert isinstance(slot, Lent)
        numbers.add(slot.memory.number)
        [said] = await told(frames, [question])

        assert [COUNT * (turn + 1.0)] == said["sum"]
        assert [COUNT * (before + 2.0) for before in range(turn)] == said["before"]
        assert ["nothing"] == said["done"], "it could change memory that others read"
        assert slot.view[-4:] == struct.pack("<f", turn + 1)
        del slot, question
    assert 1 == len(numbers)


async def test_many_together_and_again(frames: Frames) -> None:
    slots = Slots(64 << 20)
    for _ in range(3):
        saids = await told(frames, [put(slots, number) for number in range(1, 9)])
        assert [[COUNT * float(number)] for number in range(1, 9)] == [said["sum"] for said in saids]


async def test_the_longer_way(frames: Frames) -> None:
    """With a coroutine, and with bodies of the other kind beside them."""
    slots = Slots(64 << 20)
    slot = put(slots, 2)
    plain = Question({"": bytes(put(slots, 3).inputs[""].view)}, Form.V2_REST, meta=slot.meta)  # type: ignore[union-attr]

    answers = [answer async for answer in frames.run([slot, plain, put(slots, 4)], DEADLINE)]

    assert [[COUNT * 2.0], [COUNT * 3.0], [COUNT * 4.0]] == [read(answer)["sum"] for answer in answers]


async def test_the_replica_reads_what_its_caller_has_let_go(frames: Frames) -> None:
    """Until it has answered, nobody else gets that memory."""
    slots, taker = Slots(64 << 20), Taker()
    questions = [put(slots, number) for number in range(1, 9)]
    assert frames.straight(questions, DEADLINE, taker)
    first = {slot.memory.number for slot in lent(questions)}
    del questions

    others = [put(slots, 100) for _ in range(8)]

    assert await asyncio.wait_for(taker.over, DEADLINE) is None
    assert [[COUNT * float(number)] for number in range(1, 9)] == [read(answer)["sum"] for answer in taker.answers]
    assert first.isdisjoint(slot.memory.number for slot in lent(others))


def lent(questions: Sequence[Question]) -> list[Lent]:
    return [body for question in questions for body in question.inputs.values() if isinstance(body, Lent)]


async def test_another_replica_sees_what_came_not_what_the_first_made_of_it(keeper: Keeper) -> None:
    slots, taker = Slots(64 << 20), Taker()
    questions = [put(slots, number) for number in (-1, 5)]
    async with keeper.engine("keeps") as (_, frames):
        await frames.ready(DEADLINE)
        assert frames.straight(questions, DEADLINE, taker)
        error = await asyncio.wait_for(taker.over, DEADLINE)
    assert isinstance(error, ReplicaLost)
    assert 0 == error.suspect

    async with keeper.engine("keeps") as (_, frames):
        await frames.ready(DEADLINE)
        [said] = await told(frames, questions[1:])

    assert [COUNT * 5.0] == said["sum"]
    assert all(
        slot.view[-4:] == struct.pack("<f", number) for slot, number in zip(lent(questions), (-1, 5), strict=True)
    )


def mapped(root: int) -> list[str]:
    """The pieces that a replica has mapped."""
    lines = [line for pid in tree(root) for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    return [line for line in lines if "headrace-slot" in line]


async def test_memory_that_was_given_up_is_forgotten_there(keeper: Keeper) -> None:
    async with keeper.engine("keeps") as (replica, frames):
        await frames.ready(DEADLINE)
        slots = Slots(64 << 20, idle=0.01)
        for number in (1, 2):
            [said] = await told(frames, [put(slots, number)])
            assert [COUNT * float(number)] == said["sum"]
            async with asyncio.timeout(DEADLINE):
                while slots.held or mapped(replica.guard.pid):
                    await asyncio.sleep(0.01)


async def test_an_error_of_the_model_costs_its_own_request_only(frames: Frames) -> None:
    slots, taker = Slots(64 << 20), Taker()
    assert frames.straight([put(slots, 0), put(slots, 1)], DEADLINE, taker)

    assert await asyncio.wait_for(taker.over, DEADLINE) is None
    assert "nothing" == taker.answers[0].error
    assert [COUNT * 1.0] == read(taker.answers[1])["sum"]
