"""Requests that are answered without a coroutine: the same answers, and all that may happen to them meanwhile."""

import asyncio
import gc
import json
from dataclasses import replace

import msgspec
import pytest
from rooms.api.house import house
from rooms.api.oip.served import Echo, publish, request, served
from rooms.api.oip.test_fast import WAIT, identified, settled

from headrace.api.oip.straight.at_once import AtOnce
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer
from headrace.domain.version import VersionStatus
from headrace.inference.ask import Ticket
from headrace.settings import InferenceSettings

BODY = json.dumps(request()).encode()


@pytest.fixture
async def talk(wire):
    """A connection whose next request is answered at once."""
    async with wire.connection() as found:
        await warm(found)
        yield found


async def warm(talk, body=BODY):
    """Heads and permits are known from now on."""
    for _ in range(2):
        talk.send(talk.request(body))
        assert 200 == (await talk.answer())[0]


async def waiting(talk, echo):
    """A request that is answered at once, as soon as the replica's door is opened."""
    echo.door.set()
    await warm(talk, WAIT)
    echo.door.clear()
    asked = len(echo.questions)
    talk.send(talk.request(WAIT))
    await settled(lambda: len(echo.questions) > asked)


def connections(wire):
    return [one for one in wire.server.server_state.connections if one.cycle is not None]


def at_once(wire):
    [connection] = connections(wire)
    return isinstance(connection.cycle, AtOnce)


def counts(wire):
    [(_, found)] = wire.home.rooms.ask.counts.items()
    return found


async def test_the_second_request_is_one(talk, wire):
    assert not talk.reader.at_eof()
    assert at_once(wire)


async def test_the_answers_are_the_same(wire):
    async with wire.connection() as talk:
        said = []
        for number in range(4):
            talk.send(talk.request(BODY))
            status, headers, body = await talk.answer()
            shown = json.loads(body)
            assert headers.pop("x-request-id") == shown.pop("id")
            headers.pop("date")
            headers.pop("content-length")
            said.append((status, headers, shown))
            assert (number > 0) is at_once(wire)
    assert [said[0]] * 4 == said


class Quiet(Echo):
    """Says nothing beside its answers."""

    async def run(self, questions, timeout):
        async for answer in super().run(questions, timeout):
            yield msgspec.structs.replace(answer, meta={})


@pytest.mark.parametrize("size", [1, 10_000])
async def test_plain_answers_are_the_same_and_counted(tmp_path, size):
    """Those of nearly all requests, which are written from pieces that are ready."""
    body = json.dumps(request(data=[1.0] * size)).encode()
    async with house(tmp_path) as home:
        await publish(home, dialect=Quiet())
        async with served(home) as wire, wire.connection() as talk:
            said = []
            for _ in range(4):
                talk.send(talk.request(body))
                status, headers, answer = await talk.answer()
                shown = json.loads(answer)
                assert headers.pop("x-request-id") == shown.pop("id")
                headers.pop("date")
                assert len(answer) == int(headers.pop("content-length"))
                said.append((status, list(headers.items()), shown))
            assert at_once(wire)
            assert [said[0]] * 4 == said
            [family, _] = await home.rooms.requests.families()
            assert [4] == [sample.value for sample in family.samples]
            assert 4 == wire.server.server_state.total_requests


async def test_ids_are_new_each_time_or_the_callers(talk, wire):
    seen = set()
    for _ in range(20):
        talk.send(talk.request(BODY))
        seen.add((await talk.answer())[1]["x-request-id"])
    assert 20 == len(seen)
    talk.send(talk.request(identified(7), X_Request_Id="mine"))
    status, _, body = await talk.answer()
    assert (200, "7") == (status, json.loads(body)["id"])
    talk.send(talk.request(BODY, X_Request_Id="mine"))
    assert "mine" == (await talk.answer())[1]["x-request-id"]
    assert not at_once(wire)


@pytest.mark.parametrize("fault", [("model", 500), ("request", 400), ("unsupported", 501)])
async def test_errors_of_the_model(talk, fault):
    kind, expected = fault
    body = json.dumps(request(parameters={"fault": kind})).encode()
    for _ in range(3):
        talk.send(talk.request(body))
        status, _, said = await talk.answer()
        assert (expected, "boom from model") == (status, json.loads(said)["error"])


async def test_a_key_that_is_renewed_opens_nothing_from_then_on(talk, wire):
    await wire.home.rooms.keys.renew(wire.home.key.partition(".")[0])
    talk.send(talk.request(BODY))
    assert 401 == (await talk.answer())[0]


async def test_a_version_that_is_switched_off_is_not_asked_from_then_on(talk, wire):
    [(key, _)] = wire.home.rooms.ask.counts.items()
    assert isinstance(key, VersionKey)
    off = lambda one: replace(one, status=VersionStatus.INACTIVE)  # noqa: E731 - a change of one field
    await wire.home.rooms.versions.change(key, off, now())
    talk.send(talk.request(BODY))
    assert (await talk.answer())[0] in {400, 404, 503}


async def test_a_request_with_a_time_limit_of_its_own(talk, wire):
    """It takes the longer way, where its limit is kept."""
    talk.send(talk.request(json.dumps(request(parameters={"timeout": 10_000_000})).encode()))
    assert 200 == (await talk.answer())[0]
    assert not at_once(wire)


@pytest.mark.parametrize(("too_many", "refused"), [(False, 503), (True, 429)])
async def test_a_full_queue_refuses_at_once(tmp_path, too_many, refused):
    echo = Echo()
    async with house(tmp_path, inference=InferenceSettings(queue=1, too_many=too_many)) as home:
        await publish(home, dialect=echo)
        async with (
            served(home) as wire,
            wire.connection() as first,
            wire.connection() as second,
            wire.connection() as third,
        ):
            await warm(third)
            await waiting(first, echo)
            second.send(second.request(BODY))
            await settled(lambda: sum(home.rooms.ask.waiting().values()) == 1)
            third.send(third.request(BODY))
            status, headers, said = await third.answer()
            assert (refused, True) == (status, b"1 requests with" in said)
            assert headers["x-request-id"]
            assert int(headers["retry-after"])
            echo.door.set()
            assert [200, 200] == [(await talk.answer())[0] for talk in (first, second)]


async def test_who_leaves_is_counted_and_costs_nothing(wire, echo):
    async with wire.connection() as talk:
        await waiting(talk, echo)
        assert at_once(wire)
    await settled(lambda: counts(wire).canceled == 1)
    echo.door.set()
    async with wire.connection() as other:
        await warm(other)


async def test_the_next_request_waits_for_its_turn(talk, echo):
    await waiting(talk, echo)
    talk.send(talk.request(identified(1)) + talk.head("/v2/health/live", "GET"))
    echo.door.set()
    assert b"{}" == (await talk.answer())[2]
    assert "1" == json.loads((await talk.answer())[2])["id"]
    assert b'{"live":true}' == (await talk.answer())[2]


async def test_what_is_no_request_behind_one_that_waits(talk, echo, wire):
    """The answer that is owed comes first, and is the last."""
    await waiting(talk, echo)
    [connection] = connections(wire)
    talk.send(b"\x00\x01 no HTTP at all\r\n\r\n")
    await settled(lambda: not connection.cycle.keep_alive)
    echo.door.set()
    status, headers, body = await talk.answer()
    assert (200, b"{}", "close") == (status, body, headers["connection"])
    assert await talk.ended()


async def test_the_end_of_the_server_while_one_waits(tmp_path):
    echo = Echo()
    async with house(tmp_path) as home:
        await publish(home, dialect=echo)
        async with served(home) as wire, wire.connection() as talk:
            await waiting(talk, echo)
            [connection] = connections(wire)
            wire.server.should_exit = True
            await settled(lambda: not connection.cycle.keep_alive)
            echo.door.set()
            status, headers, body = await talk.answer()
            assert (200, b"{}", "close") == (status, body, headers["connection"])


async def test_a_large_answer_is_packed_for_those_who_read_that(wire):
    async with wire.connection() as talk:
        body = json.dumps(request(data=[1.0] * 4, inputs=[{"name": "IN", "data": ["x" * 100_000]}])).encode()
        for _ in range(3):
            talk.send(talk.request(body, Accept_Encoding="gzip"))
            status, headers, packed = await talk.answer()
            assert (200, "gzip") == (status, headers["content-encoding"])
            assert len(packed) < 10_000


async def test_nothing_is_left_for_the_collector(talk, wire):
    """A body must not wait for the garbage collector: memory would grow by one for each request."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            talk.send(talk.request(BODY))
            await talk.answer()
        await asyncio.sleep(0.01)
        assert at_once(wire)
        assert 0 == sum(isinstance(one, Ticket) for one in gc.get_objects())
    finally:
        gc.enable()


async def test_an_answer_that_holds_nothing_is_an_error(talk, echo):
    async def nothing(questions, _timeout):
        for _ in questions:
            yield Answer(now(), now(), 0.5)

    echo.run = nothing
    talk.send(talk.request(BODY))
    async with asyncio.timeout(10):
        assert 500 == (await talk.answer())[0]
