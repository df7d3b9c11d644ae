"""The Date header: made when an answer needs it, good for its second, and no reason to wake up."""

import asyncio
import time
from email.utils import parsedate_to_datetime

import httpx2
import pytest
import uvicorn

from headrace.api.dated import Dated
from headrace.api.drain import Draining


@pytest.fixture
def dated() -> Dated:
    config = uvicorn.Config("none:app", headers=[("x-more", "1")], server_header=False)
    config.encoded_headers = [(b"x-more", b"1")]
    return Dated(config)


def told(dated: Dated) -> float:
    [(name, value), *more] = dated.default_headers
    assert (b"date", [(b"x-more", b"1")]) == (name, more)
    return parsedate_to_datetime(value.decode()).timestamp()


async def test_whoever_connects_finds_a_date(dated: Dated) -> None:
    for one in (object(), object()):
        dated.connections.add(one)
        assert time.time() - 1.5 < told(dated) <= time.time()
        dated.connections.discard(one)
        await asyncio.sleep(1.2)  # nobody is there, and the date grows old


async def test_all_answers_of_a_second_get_the_same_list(dated: Dated) -> None:
    dated.connections.add(object())
    first = dated.default_headers
    dated.connections.add(object())
    assert first is dated.default_headers

    await asyncio.sleep(1.1)

    assert first is not dated.default_headers
    assert time.time() - 1.5 < told(dated) <= time.time()


class Looked(asyncio.SelectorEventLoop):
    """Counts how often it wakes up."""

    wakes = 0

    def _run_once(self) -> None:
        self.wakes += 1
        super()._run_once()


async def app(_scope, _receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


@pytest.fixture
def counting():
    with asyncio.Runner(loop_factory=Looked) as runner:
        yield runner


def test_a_server_that_nobody_asks_sleeps_until_it_is_told_to_stop(counting) -> None:
    async def play() -> tuple[int, str]:
        loop = asyncio.get_running_loop()
        server = Draining(uvicorn.Config(app, port=0, loop="none", lifespan="off", log_config=None, http="httptools"))
        running = asyncio.ensure_future(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        before = loop.wakes
        await asyncio.sleep(2.5)
        wakes = loop.wakes - before
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx2.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{port}/")
        server.handle_exit(15, None)
        async with asyncio.timeout(10):
            await running
        return wakes, answer.headers["date"]

    wakes, date = counting.run(play())

    assert wakes <= 2  # for this test: its timer, and what waits for that
    assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 2
