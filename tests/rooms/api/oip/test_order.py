"""Requests of one sequence that come together reach the model in the order in which they came."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest
from rooms.api.house import change_everything, house, reads_end_in_any_order
from rooms.api.oip.conftest import in_memory
from rooms.api.oip.served import Echo, given, publish, request, served

from headrace.domain.ids import VersionKey
from headrace.settings import AccountSettings

MANY, ROUNDS = 30, 3
OPEN = AccountSettings(open=True, admin_email="admin@example.com")


def who(home):
    return {"Authorization": ""} if home.rooms.settings.accounts.open else {}


def steps(sequence):
    for number in range(MANY):
        yield request(id=str(number), parameters={"sequence_id": sequence, "sequence_start": number == 0})


async def by_the_app(home, sequence):
    async with in_memory(home) as client:
        client.headers |= who(home)
        answers = await asyncio.gather(*(client.post("/v2/models/echo/infer", json=one) for one in steps(sequence)))
    assert {200} == {answer.status_code for answer in answers}


async def by_the_fast_path(home, sequence):
    async with served(home) as wire, AsyncExitStack() as stack:
        talks = [await stack.enter_async_context(wire.connection()) for _ in range(MANY)]
        for talk, one in zip(talks, steps(sequence), strict=True):
            talk.send(talk.request(json.dumps(one).encode(), **who(home)))
        assert {200} == {(await talk.answer())[0] for talk in talks}


@pytest.mark.parametrize("accounts", [AccountSettings(), OPEN], ids=["keys", "open"])
@pytest.mark.parametrize("way", [by_the_app, by_the_fast_path])
async def test_a_sequence_keeps_its_order_when_nothing_is_known_any_more(tmp_path, way, accounts):
    echo = Echo()
    async with house(tmp_path, accounts=accounts) as home:
        key = VersionKey(await publish(home, dialect=echo), "1.0.0")
        reads_end_in_any_order(home)
        for turn in range(ROUNDS):
            await change_everything(home, key)
            await way(home, turn + 1)
    seen = [json.loads(given(question))["id"] for question in echo.questions]
    assert [str(number) for number in range(MANY)] * ROUNDS == seen
