"""As many connections as there may be: who asks for nothing makes room, and who is at work is left alone."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from rooms.api.house import house
from rooms.api.oip.served import Echo, publish, request, served
from rooms.api.oip.test_fast import WAIT, settled

from headrace.api import crowd
from headrace.settings import ServerSettings

LIVE, MODELS, INFER = "/v2/health/live", "/api/models", "/v2/models/echo/infer"


@asynccontextmanager
async def crowded(tmp_path, most, **settings):
    async with house(tmp_path, server=ServerSettings(connections=most, **settings)) as home:
        echo = Echo()
        await publish(home, dialect=echo)
        async with served(home) as wire:
            yield wire, echo


@pytest.fixture(autouse=True)
def silent(monkeypatch):
    """Seconds."""
    monkeypatch.setattr(crowd, "SILENT", 0.0)


def among(wire):
    return wire.server.server_state.connections


async def _asked(talk, path=INFER):
    talk.send(talk.request() if path == INFER else talk.head(path, method="GET"))
    async with asyncio.timeout(10):
        status, headers, said = await talk.answer()
    return status, headers, json.loads(said) if said else None


@pytest.mark.parametrize("path", [INFER, LIVE, MODELS])
async def test_who_idles_longest_makes_room(tmp_path, path):
    async with (
        crowded(tmp_path, 2) as (wire, _),
        wire.connection() as silent,
        wire.connection() as first,
        wire.connection() as second,
    ):
        assert await silent.ended()
        assert 200 == (await _asked(first))[0]
        assert 200 == (await _asked(second))[0]
        async with wire.connection() as newcomer:
            for _ in range(2):
                assert 200 == (await _asked(newcomer, path))[0]
            assert await first.ended()
            assert 200 == (await _asked(second, path))[0]
        assert len(among(wire)) <= 2


async def test_whose_request_may_be_on_its_way_is_not_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(crowd, "SILENT", 1.0)
    async with crowded(tmp_path, 1) as (wire, _), wire.connection() as first:
        await settled(lambda: among(wire))
        async with wire.connection() as newcomer:
            assert 503 == (await _asked(newcomer))[0]
        assert 200 == (await _asked(first))[0]
        await asyncio.sleep(1.05)
        async with wire.connection() as newcomer:
            assert 200 == (await _asked(newcomer))[0]
        assert await first.ended()


async def test_a_thousand_silent_connections_keep_nobody_out(tmp_path):
    async with crowded(tmp_path, 20) as (wire, _):
        silent = [await asyncio.open_connection("127.0.0.1", wire.port) for _ in range(100)]
        async with wire.connection() as newcomer:
            assert 200 == (await _asked(newcomer))[0]
        await settled(lambda: len(among(wire)) <= 20)
        for _, writer in silent:
            writer.close()


@pytest.mark.parametrize("path", [INFER, LIVE, MODELS])
async def test_where_all_are_at_work_the_newcomer_alone_is_refused(tmp_path, path, caplog):
    async with crowded(tmp_path, 1) as (wire, echo), wire.connection() as busy:
        busy.send(busy.request(WAIT))
        async with asyncio.timeout(10):
            await echo.begun.wait()
        async with wire.connection() as newcomer:
            status, headers, said = await _asked(newcomer, path)
            assert (503, "close", "5") == (status, headers["connection"], headers["retry-after"])
            assert "as many connections as it may have" in said.get("error", said.get("message"))
            assert await newcomer.ended()
        echo.door.set()
        assert 200 == (await busy.answer())[0]
        assert 200 == (await _asked(busy))[0]
    assert "concurrency" not in caplog.text


@pytest.mark.parametrize("sent", ["head", "body", "known head"])
async def test_who_has_stopped_in_the_middle_makes_room(tmp_path, sent, monkeypatch):
    monkeypatch.setattr(crowd, "SILENT", 0.1)
    async with crowded(tmp_path, 1) as (wire, _), wire.connection() as slow:
        whole = slow.request()
        if sent == "known head":  # then the body is received without the parser
            slow.send(whole)
            assert 200 == (await slow.answer())[0]
        slow.send(whole[: 30 if sent == "head" else -10])
        await settled(lambda: among(wire))
        await asyncio.sleep(0.2)
        async with wire.connection() as newcomer:
            assert 200 == (await _asked(newcomer))[0]
        assert await slow.ended()


async def test_who_sends_slowly_but_steadily_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(crowd, "SILENT", 5.0)
    async with crowded(tmp_path, 1) as (wire, _), wire.connection() as slow:
        whole = slow.request()
        slow.send(whole[:-10])
        await settled(lambda: any(one.cycle is not None for one in among(wire)))
        async with wire.connection() as newcomer:
            assert 503 == (await _asked(newcomer))[0]
        slow.send(whole[-10:])
        assert 200 == (await slow.answer())[0]


async def test_who_never_reads_his_last_answer_is_cut_off(tmp_path):
    """Also where the connection is to close behind it: that waits for the last byte."""
    async with crowded(tmp_path, 10, body_deadline=0.2) as (wire, _), wire.connection() as talk:
        talk.writer.transport.pause_reading()
        large = json.dumps(request(inputs=[{"name": "IN", "data": ["x" * (8 << 20)]}])).encode()
        talk.send(talk.head("/v2/models/echo/generate", Content_Length=len(large), Connection="close") + large)
        await settled(lambda: among(wire))
        await settled(lambda: not among(wire))
