"""The end of a drain: who is still owed an answer when the time is over hears that there will be none."""

import asyncio
import json
import signal
import socket
from contextlib import asynccontextmanager

import httpx2
import pytest
import uvicorn
from rooms.api.house import house
from rooms.api.oip.served import Echo, Talk, publish, request
from rooms.api.oip.test_at_once import waiting
from rooms.api.oip.test_events import asks, events
from rooms.api.oip.test_model_routes import SPEAKS, Speaker
from rooms.api.openai.test_openai_routes import WRITER, Writer
from rooms.inference.counting import COUNTS, Counter

from headrace.api.app import http_protocol
from headrace.api.drain import Draining

GOODBYE = "the server is shutting down"
WAIT = b'{"wait"}'


class Slow(Writer):
    """Says its first word, and never another one."""

    async def run(self, questions, timeout):
        async for answer in super().run(questions, timeout):
            yield answer
            await asyncio.Event().wait()


@pytest.fixture
async def home(tmp_path):
    async with house(tmp_path) as found:
        found.echo = Echo()
        await publish(found, dialect=found.echo)
        await publish(found, "counts", tensors=COUNTS, dialect=Counter())
        await publish(found, "writer", tensors=WRITER, dialect=Slow(WRITER))
        await publish(found, "speaker", tensors=SPEAKS, dialect=Speaker())
        yield found


class Ending:
    """A server as `headrace serve` has it, that is told to stop by `stop`."""

    def __init__(self, home, server, port):
        self.home, self.server, self.port = home, server, port

    def stop(self):
        self.server.handle_exit(signal.SIGTERM, None)

    @asynccontextmanager
    async def client(self):
        headers = {"Authorization": f"ApiKey {self.home.key}"}
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=20) as found:
            yield found


@pytest.fixture
async def ending(home):
    """With no time at all for what is under way."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            home.app, http=http_protocol(home.rooms), loop="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, timeout_graceful_shutdown=0,
        )  # fmt: skip
        server = Draining(config)
        running = asyncio.ensure_future(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        found = Ending(home, server, listener.getsockname()[1])
        yield found
        found.stop()
        async with asyncio.timeout(10):
            await running


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v2/models/counts/infer_stream", asks(n=5, wait=1)),
        ("/v2/models/counts/generate_stream", {"n": 1, "parameters": {"n": 5, "wait": 1}}),
    ],
)
async def test_a_stream_ends_with_an_error(ending, path, body):
    async with ending.client() as client, client.stream("POST", path, json=body) as answer:
        following = events(answer)
        assert "error" not in await anext(following)
        ending.stop()
        assert {"error": GOODBYE} == await anext(following)
        assert [] == [one async for one in following]


async def test_a_stream_of_openais_ends_with_an_error_of_openais(ending):
    body = {"model": "writer", "prompt": "a b c", "stream": True}
    async with ending.client() as client, client.stream("POST", "/v1/completions", json=body) as answer:
        following = events(answer)
        assert "choices" in await anext(following)
        ending.stop()
        said = (await anext(following))["error"]
        assert (GOODBYE, "server_error") == (said["message"], said["type"])
        assert [] == [one async for one in following]


async def test_a_stream_of_a_models_own_route_breaks_off(ending):
    """Nobody may take it for a whole one."""
    wish = {"x-do": '[["x-then", "wait"]]'}
    async with ending.client() as client, client.stream("POST", "/say", content=b"1234", headers=wish) as answer:
        pieces = answer.aiter_raw()
        assert b"12" == await anext(pieces)
        ending.stop()
        with pytest.raises(httpx2.RemoteProtocolError):
            await anext(pieces)


@pytest.mark.parametrize(("path", "known"), [("infer", False), ("infer_stream", False), ("infer", True)])
async def test_who_waits_for_an_answer_is_told(ending, path, known):
    """`known`: the request is answered without a task."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ending.port)
    talk = Talk(reader, writer, ending.home.key)
    echo = ending.home.echo
    if known:
        await waiting(talk, echo)
    else:
        talk.send(talk.head(f"/v2/models/echo/{path}", Content_Length=len(WAIT)) + WAIT)
        await echo.begun.wait()
    ending.stop()
    async with asyncio.timeout(10):
        status, headers, body = await talk.answer()
    assert (503, "close", {"error": GOODBYE}) == (status, headers["connection"], json.loads(body))
    assert "retry-after" in headers
    assert await talk.ended()
    writer.close()


async def test_who_has_sent_half_a_request_is_told_too(ending):
    reader, writer = await asyncio.open_connection("127.0.0.1", ending.port)
    talk = Talk(reader, writer, ending.home.key)
    body = json.dumps(request(note="x" * 100_000)).encode()
    talk.send(talk.head(Content_Length=len(body)) + body[:80_000])
    await asyncio.sleep(0.1)
    ending.stop()
    async with asyncio.timeout(10):
        status, _, said = await talk.answer()
    assert (503, {"error": GOODBYE}) == (status, json.loads(said))
    writer.close()
