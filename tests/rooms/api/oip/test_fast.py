"""The fast path as a connection sees it: order, limits, patience, and the end."""

import asyncio
import json
import random

import pytest
from rooms.api.house import house
from rooms.api.oip.served import Echo, publish, request, served

from headrace.settings import OipSettings, ServerSettings

WAIT = b'{"wait"}'  # this body waits until the replica's door is opened
BODY = json.dumps(request()).encode()
MEGABYTE = b" " * (1 << 20)


@pytest.fixture
async def talk(wire):
    async with wire.connection() as found:
        yield found


async def settled(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def identified(number):
    return json.dumps(request(id=str(number))).encode()


async def test_many_on_one_connection(talk):
    for number in range(3):
        talk.send(talk.request(identified(number)))
        assert (200, str(number)) == _shown(await talk.answer())


async def test_pipelined_answers_come_in_order(talk, echo):
    others = [talk.request(identified(1)), talk.head("/v2/health/live", "GET"), talk.request(identified(2))]
    talk.send(b"".join([talk.request(WAIT), *others]))
    async with asyncio.timeout(10):
        await echo.begun.wait()
    echo.door.set()

    assert b"{}" == (await talk.answer())[2]
    assert (200, "1") == _shown(await talk.answer())
    assert b'{"live":true}' == (await talk.answer())[2]
    assert (200, "2") == _shown(await talk.answer())


async def test_a_thousand_pipelined(talk):
    talk.send(b"".join(talk.request(identified(number)) for number in range(1000)))
    assert [(200, str(number)) for number in range(1000)] == [_shown(await talk.answer()) for _ in range(1000)]


async def test_byte_by_byte(talk):
    for byte in talk.request(identified(7)):
        talk.send(bytes([byte]))
        await talk.writer.drain()
        await asyncio.sleep(0)
    assert (200, "7") == _shown(await talk.answer())


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_chunked(talk, echo, size):
    body = identified(7) + MEGABYTE[: 20 * size]
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    talk.send(talk.head(Transfer_Encoding="chunked"))
    talk.send(b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n")
    assert (200, "7") == _shown(await talk.answer())
    assert body == echo.questions[0].inputs[""]


async def test_a_large_body_and_another_request_behind_it(talk, echo):
    body = identified(1) + MEGABYTE * 3
    talk.send(talk.request(body) + talk.request(identified(2)))
    assert (200, "1") == _shown(await talk.answer())
    assert (200, "2") == _shown(await talk.answer())
    assert body == echo.questions[0].inputs[""]


async def test_expect_continue(talk):
    talk.send(talk.head(Content_Length=len(BODY), Expect="100-continue"))
    assert b"HTTP/1.1 100 Continue\r\n\r\n" == await talk.reader.readuntil(b"\r\n\r\n")
    talk.send(BODY)
    assert 200 == (await talk.answer())[0]


async def test_expect_continue_without_a_key(talk):
    """Told at once: the body need not be sent."""
    talk.send(talk.head(Content_Length=1 << 30, Expect="100-continue", Authorization=""))
    status, headers, _ = await talk.answer()
    assert (401, "close") == (status, headers["connection"])
    assert await talk.ended()


async def test_without_a_key_no_large_body_is_kept(talk, wire):
    door = wire.server.config.http.door
    talk.send(talk.head(Content_Length=len(MEGABYTE) * 8, Authorization="") + MEGABYTE)
    status, headers, _ = await talk.answer()
    assert (401, "close") == (status, headers["connection"])
    talk.send(MEGABYTE * 7)
    assert await talk.ended()
    assert 0 == door.bodies.held


async def test_all_large_bodies_together_have_a_limit(tmp_path):
    async with house(tmp_path, oip=OipSettings(bodies_limit=3 << 20)) as home:
        await publish(home, dialect=Echo())
        async with served(home) as wire, wire.connection() as first, wire.connection() as second:
            first.send(first.head(Content_Length=len(MEGABYTE) * 3) + MEGABYTE * 2)
            await settled(lambda: wire.server.config.http.door.bodies.held >= len(MEGABYTE))
            second.send(second.head(Content_Length=len(MEGABYTE) * 3) + MEGABYTE * 2 + MEGABYTE)
            status, headers, _ = await second.answer()
            assert (503, "close") == (status, headers["connection"])
            assert "retry-after" in headers
            first.send(MEGABYTE)
            assert 400 == (await first.answer())[0]  # all of it is spaces
            assert 0 == wire.server.config.http.door.bodies.held


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: 127", b""),
        (b"", b"only a part"),
        (b"", MEGABYTE),
    ],
    ids=["head", "small body", "large body"],
)
async def test_who_stops_in_the_middle_is_told(tmp_path, head, body):
    async with house(tmp_path, server=ServerSettings(body_deadline=0.2)) as home:
        await publish(home, dialect=Echo())
        async with served(home) as wire, wire.connection() as talk:
            talk.send((head or talk.head(Content_Length=2 << 20)) + body)
            status, headers, said = await talk.answer()
            assert (408, "close") == (status, headers["connection"])
            assert b"too slowly" in said
            await settled(lambda: not wire.server.server_state.tasks)


async def test_who_reads_nothing_is_cut_off(tmp_path):
    async with house(tmp_path, server=ServerSettings(body_deadline=0.2)) as home:
        await publish(home, dialect=Echo())
        async with served(home) as wire, wire.connection() as talk:
            talk.writer.transport.pause_reading()
            large = json.dumps(
                request(note="x" * (8 << 20), inputs=[{"name": "IN", "data": ["x" * (8 << 20)]}])
            ).encode()
            talk.send(talk.request(large) + talk.request(large))
            await settled(lambda: wire.server.server_state.connections)
            await settled(lambda: not wire.server.server_state.connections)


async def test_a_client_who_leaves_takes_its_question_back(wire, home):
    await publish(home, "asleep")  # nobody answers for it
    async with wire.connection() as talk:
        talk.send(talk.head("/v2/models/asleep/infer", Content_Length=len(BODY)) + BODY)
        await settled(lambda: sum(home.rooms.ask.waiting().values()) == 1)
    await settled(lambda: not any(home.rooms.ask.waiting().values()) and not wire.server.server_state.tasks)


async def test_a_client_who_leaves_in_the_middle_of_a_body(wire):
    async with wire.connection() as talk:
        talk.send(talk.head(Content_Length=len(MEGABYTE) * 2) + MEGABYTE)
        await settled(lambda: wire.server.config.http.door.bodies.held)
    await settled(lambda: not wire.server.server_state.tasks)
    assert 0 == wire.server.config.http.door.bodies.held


async def test_a_request_that_never_gets_its_turn_gives_back_what_it_holds(wire, echo):
    async with wire.connection() as talk:
        talk.send(talk.request(WAIT) + talk.head(Content_Length=len(MEGABYTE)) + MEGABYTE[: 200 * 1024])
        async with asyncio.timeout(10):
            await echo.begun.wait()
        await settled(lambda: wire.server.config.http.door.bodies.held)
        [task] = wire.server.server_state.tasks
        task.cancel()  # the server's patience ends
        await settled(lambda: not wire.server.server_state.connections)
    assert 0 == wire.server.config.http.door.bodies.held


@pytest.mark.parametrize(
    "bytes_",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"POST /v2/models/echo/infer HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        "GET /ö HTTP/1.1\r\n\r\n".encode(),
    ],
)
async def test_what_is_not_http(talk, bytes_):
    talk.send(bytes_)
    status, headers, said = await talk.answer()
    assert (400, "application/json") == (status, headers["content-type"])
    assert {"error"} == set(json.loads(said))
    assert await talk.ended()


@pytest.mark.parametrize("path", ["/v2/models/echo/generate", "/api/models"])
async def test_a_broken_chunk_on_its_way_to_the_app(talk, wire, path):
    talk.send(talk.head(path, Transfer_Encoding="chunked") + b"2\r\n{}\r\nzz\r\nno\r\n")
    status, headers, said = await talk.answer()
    assert (400, "close", "application/json") == (status, headers["connection"], headers["content-type"])
    assert b"not what its head says" in said
    assert await talk.ended()
    await settled(lambda: not wire.server.server_state.tasks)


async def test_garbage_behind_a_request_to_the_app_waits_for_the_answer(talk):
    talk.send(talk.head("/v2/models/echo", "GET") + b"\x16\x03\x01 garbage\r\n\r\n")
    status, headers, said = await talk.answer()
    assert (200, "close", "echo") == (status, headers["connection"], json.loads(said)["name"])
    assert await talk.ended()


async def test_a_question_about_the_server_as_a_whole(talk):
    talk.send(talk.head("*", "OPTIONS"))
    status, headers, said = await talk.answer()
    assert (404, "application/json") == (status, headers["content-type"])
    assert json.loads(said)


async def test_garbage_behind_a_request_waits_for_the_answer(talk, echo):
    talk.send(talk.request(WAIT) + b"\x16\x03\x01 garbage\r\n\r\n")
    async with asyncio.timeout(10):
        await echo.begun.wait()
    echo.door.set()
    status, headers, _ = await talk.answer()
    assert (200, "close") == (status, headers["connection"])
    assert await talk.ended()


async def test_a_broken_chunk(talk):
    talk.send(talk.head(Transfer_Encoding="chunked") + b"zz\r\nno\r\n")
    status, headers, _ = await talk.answer()
    assert (400, "close") == (status, headers["connection"])


async def test_a_head_that_never_ends(talk):
    talk.send(b"POST /v2/models/echo/infer HTTP/1.1\r\nX: ")
    for _ in range(6):
        talk.send(b"y" * 60_000)
        await talk.writer.drain()
        await asyncio.sleep(0.01)
    assert 431 == (await talk.answer())[0]


async def test_old_http(talk):
    talk.send(talk.request().replace(b"HTTP/1.1", b"HTTP/1.0"))
    status, headers, _ = await talk.answer()
    assert (200, "close") == (status, headers["connection"])
    assert await talk.ended()


async def test_at_the_end_every_answer_is_given(home, echo):
    async with served(home) as wire, wire.connection() as busy, wire.connection() as idle:
        idle.send(idle.request(identified(1)))
        assert (200, "1") == _shown(await idle.answer())
        echo.begun.clear()
        busy.send(busy.request(WAIT))
        async with asyncio.timeout(10):
            await echo.begun.wait()
        wire.server.should_exit = True
        await settled(lambda: not wire.server.servers[0].is_serving())
        idle.send(idle.request(identified(2)))  # it was on its way when the server began to stop
        echo.door.set()

        status, headers, _ = await busy.answer()
        assert (200, "close") == (status, headers["connection"])
        status, headers, _ = await idle.answer()
        assert (200, "close") == (status, headers["connection"])
        assert await busy.ended()
        assert await idle.ended()


async def test_an_idle_connection_is_closed_at_the_end(home):
    async with served(home) as wire, wire.connection() as idle, wire.connection() as fresh:
        idle.send(idle.request())
        await idle.answer()
        await settled(lambda: len(wire.server.server_state.connections) == 2)
        wire.server.should_exit = True
        assert await idle.ended()
        assert await fresh.ended()


def _shown(answer):
    status, _, body = answer
    return status, json.loads(body)["id"]


@pytest.mark.parametrize("seed", range(4))
async def test_mutated_requests(wire, caplog, seed):
    """Whatever comes: an answer or an end, nothing is left over, and nobody else notices."""
    chance, accidents = random.Random(seed), []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: accidents.append(context))
    for _ in range(60):
        async with wire.connection() as talk:
            large = talk.request(identified(1) + MEGABYTE[: chance.choice([0, 100_000])])
            chunked = talk.head(Transfer_Encoding="chunked") + b"5\r\n{    \r\n1\r\n}\r\n0\r\n\r\n"
            talk.send(_mutated(chance, chance.choice([talk.request(), large, chunked]) * chance.choice([1, 2])))
            talk.writer.write_eof()
            async with asyncio.timeout(10):
                try:
                    said = await talk.reader.read()
                except ConnectionError:
                    said = b""
            assert said[:9] in (b"", b"HTTP/1.1 ")
    await settled(lambda: not wire.server.server_state.tasks and not wire.server.server_state.connections)
    assert 0 == wire.server.config.http.door.bodies.held
    assert [] == accidents
    assert "unexpected error" not in caplog.text
    async with wire.connection() as talk:
        talk.send(talk.request(identified(3)))
        assert (200, "3") == _shown(await talk.answer())


def _mutated(chance, data):
    data = bytearray(data)
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(min(len(data), 400))
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randint(1, 20)]
            case 2:
                data[at:at] = chance.choice(
                    [b"\r\n", b"\0", b"9", b" ", b"%ff", b":", bytes([chance.randrange(256)]) * 30]
                )
            case _:
                del data[chance.randrange(len(data)) :]
        if not data:
            return b"\r\n"
    return bytes(data)
