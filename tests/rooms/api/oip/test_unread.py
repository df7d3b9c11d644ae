"""Answers that are read slowly, or not at all: how much is taken counts, not whether we could send anything."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import pytest
from rooms.api.house import house
from rooms.api.oip.served import Echo, Talk, publish, served
from rooms.inference.counting import until

from headrace.api.limits import SLOWEST
from headrace.api.unread import Taken
from headrace.settings import ServerSettings

DEADLINE = 0.4
LARGE = json.dumps({"inputs": [{"name": "IN", "data": ["x" * (24 << 20)]}]}).encode()
PIECE, PAUSE = 4096, 0.02  # bytes, and seconds between two of them: 200 KB a second


def test_who_takes_enough_is_never_late():
    taken, left = Taken(), 10 * SLOWEST * 60
    for minute in range(9):
        assert not taken.too_slowly(left, minute * 60.0, 60)
        left -= SLOWEST * 60


@pytest.mark.parametrize("a_minute", [0, 60, SLOWEST * 60 - 1])
def test_who_takes_less_is(a_minute):
    taken = Taken()
    assert not taken.too_slowly(1 << 20, 0.0, 60)
    assert not taken.too_slowly(1 << 20, 30.0, 60)
    assert taken.too_slowly((1 << 20) - a_minute, 60.0, 60)


def test_what_is_added_and_what_is_gone_begin_anew():
    taken = Taken()
    assert not taken.too_slowly(100, 0.0, 60)
    taken.anew()
    assert not taken.too_slowly(200, 60.0, 60)
    assert not taken.too_slowly(0, 120.0, 60)
    assert not taken.too_slowly(200, 180.0, 60)
    assert taken.too_slowly(200, 240.0, 60)


@asynccontextmanager
async def owed(tmp_path):
    """A large answer on its way to a client who has room for little."""
    async with house(tmp_path, server=ServerSettings(body_deadline=DEADLINE)) as home:
        await publish(home, dialect=Echo())
        async with served(home) as wire:
            here = socket.socket()
            here.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
            here.connect(("127.0.0.1", wire.port))
            reader, writer = await asyncio.open_connection(sock=here, limit=PIECE)
            talk = Talk(reader, writer, home.key)
            talk.send(talk.request(LARGE))
            await reader.readuntil(b"\r\n\r\n")
            connections = wire.server.server_state.connections
            yield reader, lambda: len(connections)
            writer.close()
            await until(lambda: not connections)


async def test_who_reads_slowly_and_all_the_time_gets_it(tmp_path):
    loop = asyncio.get_running_loop()
    async with owed(tmp_path) as (reader, connected):
        size, over = 0, loop.time() + 8 * DEADLINE
        while loop.time() < over:
            size += len(await reader.read(PIECE))
            await asyncio.sleep(PAUSE)
        assert connected()
        while piece := await reader.read(1 << 20):
            size += len(piece)
            if size > len(LARGE):
                break
        assert size > len(LARGE)


async def test_who_drips_is_cut_off(tmp_path, monkeypatch):
    """The same reader, where more is asked."""
    monkeypatch.setattr("headrace.api.unread.SLOWEST", 2_000_000)
    async with owed(tmp_path) as (reader, connected):
        async with asyncio.timeout(20):
            while connected():
                await reader.read(PIECE)
                await asyncio.sleep(PAUSE)
