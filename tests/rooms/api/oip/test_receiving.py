"""Large bodies behind known heads, in bytes and in slots: the same answers, whatever happens on the way."""

import gc
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from rooms.api.house import house
from rooms.api.oip.served import Echo, given, publish, request, served
from rooms.api.oip.test_at_once import BODY, connections, warm
from rooms.api.oip.test_fast import MEGABYTE, identified, settled

from headrace.dialects.slots import Slots
from headrace.domain.body import Slot
from headrace.settings import ServerSettings

BUDGET = 256 << 20  # bytes of slots


@pytest.fixture(params=["bytes", "slot"])
def kind(request):
    return request.param


@asynccontextmanager
async def opened(folder, echo, kind, **more):
    async with house(folder, **more) as home:
        await publish(home, dialect=echo)
        slots = Slots(BUDGET if kind == "slot" else 0)
        async with served(replace(home, rooms=replace(home.rooms, slots=slots))) as wire:
            yield wire
        slots.close()


@pytest.fixture
async def wire(tmp_path, echo, kind):
    async with opened(tmp_path, echo, kind) as found:
        yield found


@pytest.fixture
def large():
    return identified(1) + MEGABYTE * 2


@pytest.mark.parametrize("pieces", [1, 3, 200])
async def test_a_large_body_in_pieces_and_another_request_behind_it(wire, echo, large, kind, pieces):
    async with wire.connection() as talk:
        await warm(talk, large)
        await warm(talk)
        data = talk.request(large) + talk.request(BODY)
        for start in range(0, len(data), step := len(data) // pieces):
            talk.send(data[start : start + step])
            await talk.writer.drain()
        assert ["1", "200"] == [json.loads((await talk.answer())[2])["id"], str((await talk.answer())[0])]
        assert [large, BODY] == [given(one) for one in echo.questions[-2:]]
        assert (kind == "slot") is isinstance(echo.questions[-2].inputs[""], Slot)
        assert 0 == wire.server.config.http.door.bodies.held


async def test_the_same_connection_again_and_again(wire, echo, large):
    """Every byte is its own request's: memory that is used again holds nothing of the one before."""
    async with wire.connection() as talk:
        await warm(talk, large)
        for number in range(10):
            body = identified(number) + bytes([ord(" "), ord("\n")][number % 2 : number % 2 + 1]) * (1 << 20)
            talk.send(talk.request(body))
            assert str(number) == json.loads((await talk.answer())[2])["id"]
            assert body == given(echo.questions.pop())


async def test_who_leaves_in_the_middle_of_a_large_body(wire, large):
    door = wire.server.config.http.door
    async with wire.connection() as talk:
        await warm(talk, large)
        talk.send(talk.request(large)[: len(large) // 2])
        await settled(lambda: door.bodies.held == len(large))
    await settled(lambda: not connections(wire))
    assert 0 == door.bodies.held


async def test_who_stops_in_the_middle_of_a_large_body_is_told(tmp_path, large, kind):
    late = ServerSettings(body_deadline=0.5)
    async with opened(tmp_path, Echo(), kind, server=late) as wire, wire.connection() as talk:
        await warm(talk, large)
        talk.send(talk.request(large)[: len(large) // 2])
        status, headers, said = await talk.answer()
        assert (408, "close") == (status, headers["connection"])
        assert b"too slowly" in said
        talk.send(MEGABYTE)  # is read, and thrown away
        assert 0 == wire.server.config.http.door.bodies.held


@pytest.mark.parametrize("hint", [{"timeout": 60_000_000}, {"sequence_id": 7, "sequence_start": True}])
async def test_a_large_body_that_says_how_it_is_to_be_asked(wire, echo, large, hint):
    """It takes the longer way, where its limit and its sequence are kept."""
    body = json.dumps(request(id="1", parameters=hint)).encode()
    body += b" " * (len(large) - len(body))
    async with wire.connection() as talk:
        await warm(talk, large)
        talk.send(talk.request(body))
        assert 200 == (await talk.answer())[0]
        assert body == echo.questions[-1].inputs[""]


async def test_a_key_that_is_renewed_while_a_large_body_comes(wire, large):
    async with wire.connection() as talk:
        await warm(talk, large)
        data = talk.request(large)
        talk.send(data[: len(data) // 2])
        await settled(lambda: wire.server.config.http.door.bodies.held == len(large))
        await wire.home.rooms.keys.renew(wire.home.key.partition(".")[0])
        talk.send(data[len(data) // 2 :])
        assert 401 == (await talk.answer())[0]
        assert 0 == wire.server.config.http.door.bodies.held


async def test_no_memory_waits_for_the_collector(wire, echo, large, kind):
    slots = wire.home.rooms.slots
    async with wire.connection() as talk:
        await warm(talk, large)
        echo.questions.clear()
        held = slots.held
        assert (kind == "slot") is (held > 0)
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                talk.send(talk.request(large))
                assert 200 == (await talk.answer())[0]
                echo.questions.clear()
            assert held == slots.held
        finally:
            gc.enable()
