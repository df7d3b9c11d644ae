"""Streams over HTTP: events that leave as they are made, errors among them, and clients that go away."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx2
import pytest
from rooms.api.oip.served import publish, served
from rooms.inference.counting import COUNTS, Counter, until

N = {"name": "n", "shape": [1], "datatype": "INT32", "data": [1]}
STREAM = "/v2/models/counts/infer_stream"


@pytest.fixture
def counter():
    return Counter()


@pytest.fixture
async def counts(home, counter):
    return await publish(home, "counts", tensors=COUNTS, dialect=counter)


@pytest.fixture
async def wire(home, counts):  # noqa: ARG001 - it is published
    async with served(home) as found:
        yield found


def asks(**parameters):
    return {"inputs": [N], "parameters": parameters}


@asynccontextmanager
async def reading(wire, path=STREAM, **parameters):
    """The answer's head, and a function for its next event."""
    body = asks(**parameters) if "infer" in path else {"n": 1, **parameters}
    async with wire.client() as client, client.stream("POST", path, json=body) as answer:
        yield answer, events(answer).__anext__


async def events(answer):
    """Exactly as a browser would see them: no event before its blank line."""
    kept = b""
    async for piece in answer.aiter_raw():
        kept += piece
        while b"\n\n" in kept:
            one, _, kept = kept.partition(b"\n\n")
            assert one.startswith(b"data: ")
            yield json.loads(one[6:])


async def all_of(wire, path=STREAM, **parameters):
    async with reading(wire, path, **parameters) as (answer, following):
        found = []
        while True:
            try:
                found.append(await following())
            except StopAsyncIteration:
                return answer, found


async def test_each_answer_is_an_event(wire):
    answer, found = await all_of(wire, n=3)

    assert (200, "text/event-stream; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert ["no-cache", "no"] == [answer.headers[name] for name in ("cache-control", "x-accel-buffering")]
    assert [0, 1, 2] == [one["outputs"][0]["data"][0] for one in found]


@pytest.mark.parametrize("route", ["infer_stream", "generate_stream", "generate"])
async def test_the_id_of_the_body_is_in_the_head(wire, route):
    path = f"/v2/models/counts/{route}"
    body = {"id": "q", "parameters": {"n": 1}}
    async with wire.client() as client:
        answer = await client.post(path, json=body | ({"inputs": [N]} if "infer" in route else {"n": 1}))
    assert (200, "q") == (answer.status_code, answer.headers["x-request-id"])


async def test_events_leave_as_they_are_made(wire, counter):
    async with reading(wire, n=3, wait=1) as (_, following):
        for number in range(3):
            assert [number] == (await following())["outputs"][0]["data"]
            assert number + 1 == counter.made
            counter.gate.release()


async def test_generate_stream_shows_plain_objects(wire):
    _, found = await all_of(wire, "/v2/models/counts/versions/1/generate_stream", parameters={"n": 2})
    assert [{"model_name": "counts", "model_version": "1.0.0", "i": number} for number in range(2)] == found


async def test_generate_takes_exactly_one(wire, counter):
    async with wire.client() as client:
        one, many, none, failing = [
            await client.post("/v2/models/counts/generate", json={"n": 1, "parameters": said})
            for said in ({"n": 1}, {"n": 1_000_000}, {"n": 0}, {"n": 1, "fail": 0})
        ]
    assert (200, 0) == (one.status_code, one.json()["i"])
    expected = "generate expects model to produce exactly 1 response, use generate stream for model"
    assert [400, 400] == [many.status_code, none.status_code]
    assert all(said.json()["error"].startswith(expected) for said in (many, none))
    assert (400, {"error": "no more"}) == (failing.status_code, failing.json())
    assert counter.made < 20


async def test_no_answer_at_all_is_an_empty_stream(wire):
    answer, found = await all_of(wire, n=0)
    assert (200, []) == (answer.status_code, found)


async def test_the_first_answer_decides_the_status(wire):
    async with wire.client() as client:
        first = await client.post(STREAM, json=asks(n=3, fail=0))
        generated = await client.post(
            "/v2/models/counts/generate_stream", json={"n": 1, "parameters": {"n": 3, "fail": 0}}
        )
        lost = await client.post(STREAM, json=asks(n=3, die=0))
    assert (500, {"error": "no more"}) == (first.status_code, first.json())
    assert (400, {"error": "no more"}) == (generated.status_code, generated.json())
    assert (500, "application/json") == (lost.status_code, lost.headers["content-type"])


async def test_later_errors_are_events(wire):
    answer, found = await all_of(wire, n=3, fail=2)
    assert (200, {"error": "no more"}) == (answer.status_code, found.pop())
    assert [0, 1] == [one["outputs"][0]["data"][0] for one in found]
    _, (_, lost) = await all_of(wire, n=3, die=1)
    assert "it died" in lost["error"]


async def test_a_client_that_goes_away_stops_the_model(wire, counter):
    async with reading(wire, n=1_000_000, wait=1) as (_, following):
        await following()
    await until(lambda: counter.ended)
    assert (1, 1) == (counter.made, counter.refused)


async def test_also_before_the_first_answer(wire, home):
    """Here it waits for a replica."""
    async with reading(wire, n=1_000_000, wait=1) as (_, following), asyncio.TaskGroup() as group:
        await following()
        waiting = group.create_task(all_of(wire, n=1))
        key = next(iter(home.rooms.ask.counts))
        await until(lambda: home.routing.waiting(key))
        waiting.cancel()
        await until(lambda: not home.routing.waiting(key))
    _, found = await all_of(wire, n=2)
    assert 2 == len(found)


async def test_the_time_that_a_request_allows_is_until_its_first_answer(wire):
    async with reading(wire, n=1_000_000, wait=1) as (_, following):
        await following()
        async with wire.client() as client:
            late = await client.post(STREAM, json=asks(n=1, timeout=1000))
    assert (503, {"error": "Request timeout expired"}) == (late.status_code, late.json())
    _, found = await all_of(wire, n=2, timeout=60_000_000)
    assert 2 == len(found)


async def test_statistics_tell_of_each_place(wire, home, counts):  # noqa: ARG001 - it is published
    await all_of(wire, n=2)
    async with wire.client() as client:
        [found] = (await client.get("/v2/models/counts/stats")).json()["model_stats"]
        config = (await client.get("/v2/models/counts/config")).json()
    assert [1, 1, 0] == [found["response_stats"][place]["success"]["count"] for place in "012"]
    assert 1 == found["response_stats"]["2"]["empty_response"]["count"]
    assert (1, 1) == (found["inference_count"], found["execution_count"])
    assert {"decoupled": True} == config["model_transaction_policy"]


async def test_refusals_come_before_the_stream(wire):
    async with wire.client() as client:
        assert 404 == (await client.post("/v2/models/nope/infer_stream", json=asks())).status_code
        gone = await client.post(STREAM, json=asks(), headers={"Authorization": ""})
    assert (401, True) == (gone.status_code, "error" in gone.json())


async def test_it_also_streams_without_a_connection(home, counts):  # noqa: ARG001 - it is published
    transport = httpx2.ASGITransport(home.app)
    headers = {"Authorization": f"ApiKey {home.key}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        answer = await client.post(STREAM, json=asks(n=2))
    assert 2 == answer.content.count(b"data: ")
