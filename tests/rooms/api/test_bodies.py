"""What all requests together may hold in memory: one sum for every door, and one rule for what counts."""

import asyncio
import base64
import json

import grpc.aio
import pytest
from rooms.api.grpc.peers import listening
from rooms.api.grpc.test_calls import failure
from rooms.api.house import house
from rooms.api.oip.conftest import in_memory
from rooms.api.oip.served import Echo, publish, request
from rooms.api.oip.test_model_routes import SPEAKS, Speaker
from rooms.api.openai.test_openai_routes import PLAIN, WRITER, Writer

from headrace.api.bodies import SMALL, Bodies
from headrace.api.oip.grpc import services
from headrace.domain.errors import Unavailable
from headrace.settings import OipSettings

LIMIT = 4 << 20
BUSY = "too many large requests are on their way in: try again later"


def test_a_small_request_does_not_count_and_a_large_one_does_from_its_first_byte():
    bodies = Bodies(SMALL + 1)
    with bodies.room() as room:
        room.grow(SMALL - 1)
        room.grow(1)
        assert 0 == bodies.held
        room.grow(1)
        assert SMALL + 1 == bodies.held
        with pytest.raises(Unavailable, match=BUSY), bodies.room() as other:
            other.grow(SMALL + 1)
        assert SMALL + 1 == bodies.held
        with pytest.raises(Unavailable, match=BUSY):
            room.grow(1)
        assert SMALL + 1 == bodies.held
    assert 0 == bodies.held


def test_what_was_given_back_begins_anew():
    bodies = Bodies()
    room = bodies.room()
    room.grow(2 * SMALL)
    room.give_back()
    room.give_back()
    room.grow(SMALL)
    assert 0 == bodies.held


@pytest.fixture
async def home(tmp_path):
    async with house(tmp_path, oip=OipSettings(bodies_limit=LIMIT)) as found:
        await publish(found, dialect=Echo())
        for name, tensors in (("writer", WRITER), ("plain", PLAIN)):
            await publish(found, name, tensors=tensors, dialect=Writer(tensors))
        await publish(found, "speaker", tensors=SPEAKS, dialect=Speaker())
        yield found


def texts(size):
    return {"text_input": "a" * size}


def completion(model, size, **more):
    return {"model": model, "prompt": "a" * size} | more


def job(size):
    content = base64.b64encode(bytes(size * 3 // 4)).decode()
    sources = {"one": {"input.txt": f"data:text/plain;base64,{content}"}}
    return {"model": {"identifier": "echo", "version": "1.0.0"}, "input": {"type": "embedded", "sources": sources}}


WAYS = [
    ("/v2/models/echo/infer", lambda size: request(note=" " * size)),
    ("/v2/models/plain/generate", texts),
    ("/v2/models/plain/generate_stream", texts),
    ("/v2/models/writer/generate_stream", texts),
    ("/v1/completions", lambda size: completion("plain", size)),
    ("/v1/completions", lambda size: completion("writer", size, stream=True)),
    ("/v1/chat/completions", lambda size: {"model": "plain", "messages": [{"role": "user", "content": "a" * size}]}),
    ("/say", lambda size: "a" * size),
    ("/api/jobs", job),
]


@pytest.mark.parametrize(("path", "body"), WAYS)
async def test_bodies_of_every_route_count(home, path, body):
    bodies = home.rooms.bodies
    async with in_memory(home) as client:
        assert (await client.post(path, json=body(3 << 20))).status_code in (200, 201, 202, 404)
        assert 0 == bodies.held
        assert bodies.take(2 << 20)
        answer = await client.post(path, json=body(3 << 20))
        assert (503, True) == (answer.status_code, BUSY in answer.text), answer.text
        assert "retry-after" in answer.headers
        assert (await client.post(path, json=body(10_000))).status_code in (200, 201, 202, 404)
        assert 2 << 20 == bodies.held


async def test_both_doors_have_one_sum(home):
    """A large REST request is under way: a large message over gRPC has no room, and the other way round."""
    bodies = home.rooms.bodies
    message = bytes(3 << 20)
    async with (
        in_memory(home) as client,
        listening(services.door(home.rooms)) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_send_message_length", -1)]) as channel,
    ):
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        metadata = (("authorization", f"ApiKey {home.key}"),)
        assert bodies.take(2 << 20)  # as by REST
        code, said = await failure(infer(message, metadata=metadata))
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, True) == (code, f"more than {LIMIT} bytes together" in said)
        bodies.give_back(2 << 20)

        async def pieces():
            yield json.dumps(request()).encode()[:-1]
            yield b" " * (2 << 20)
            came.set()
            await go_on.wait()
            yield b"}"

        came, go_on = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            slow = group.create_task(client.post("/v2/models/echo/infer", content=pieces()))
            await came.wait()
            assert bodies.held >= 2 << 20
            code, _ = await failure(infer(message, metadata=metadata))
            go_on.set()
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, 200) == (code, slow.result().status_code)
        code, _ = await failure(infer(message, metadata=metadata))
        assert grpc.StatusCode.RESOURCE_EXHAUSTED is not code
        assert 0 == bodies.held
