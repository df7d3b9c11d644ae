"""Who asks for another protocol is answered in this one, and no byte of what he sends is lost."""

import asyncio
import json
import shutil

import pytest
from rooms.api.oip.served import request
from rooms.api.oip.test_at_once import at_once
from rooms.api.oip.test_fast import settled

# as JDK's java.net.http.HttpClient writes it, but for Host, Authorization and Content-Length
JDK = {
    "Connection": "Upgrade, HTTP2-Settings",
    "HTTP2-Settings": "AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA",
    "Upgrade": "h2c",
    "User-Agent": "Java-http-client/17.0.18",
}
INDEX, GENERATE, INFER = "/v2/repository/index", "/v2/models/echo/generate", "/v2/models/echo/infer"
MODZY = "/api/models"


def identified(number, size=0):
    return json.dumps(request(id=str(number), note="x" * size)).encode()


def asked(talk, body, path=INFER, **more):
    return talk.head(path, Content_Length=len(body), **JDK, **more) + body


@pytest.fixture
async def talk(wire):
    async with wire.connection() as found:
        yield found


def shown(answer):
    status, _, body = answer
    return status, json.loads(body)["id"]


async def test_every_request_of_a_connection_is_answered_and_soon_at_once(talk, wire, caplog):
    for number in range(4):
        body = json.dumps(request()).encode() if number > 1 else identified(number)
        talk.send(asked(talk, body))
        assert 200 == (await talk.answer())[0]
    assert at_once(wire)
    assert "upgrade" not in caplog.text.lower()


@pytest.mark.parametrize("size", [0, 300_000])
async def test_the_body_comes_later(talk, echo, size):
    body = identified(1, size)
    whole = asked(talk, body)
    head = len(whole) - len(body)
    talk.send(whole[:head])
    await asyncio.sleep(0.05)
    talk.send(whole[head : head + 9])
    await asyncio.sleep(0.05)
    talk.send(whole[head + 9 :])
    assert (200, "1") == shown(await talk.answer())
    assert body == echo.questions[0].inputs[""]


async def test_byte_by_byte(talk):
    for byte in asked(talk, identified(7)):
        talk.send(bytes([byte]))
        await talk.writer.drain()
        await asyncio.sleep(0)
    assert (200, "7") == shown(await talk.answer())


async def test_a_body_is_not_the_next_request(talk):
    inner = b"GET /v2/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    talk.send(talk.head(Content_Length=len(inner), Connection="Upgrade", Upgrade="foo"))
    await asyncio.sleep(0.05)
    talk.send(inner)
    assert 400 == (await talk.answer())[0]
    talk.send(talk.request(identified(2)))
    assert (200, "2") == shown(await talk.answer())


async def test_a_body_in_chunks(talk):
    body = identified(3)
    head = talk.head(Transfer_Encoding="chunked", **JDK)
    talk.send(head + b"%x\r\n%b\r\n" % (len(body), body))
    await asyncio.sleep(0.05)
    talk.send(b"0\r\n\r\n" + asked(talk, identified(4)))
    assert [(200, "3"), (200, "4")] == [shown(await talk.answer()) for _ in range(2)]


async def test_a_body_that_waits_for_continue(talk):
    body = identified(5)
    talk.send(talk.head(Content_Length=len(body), Expect="100-continue", **JDK))
    assert b"HTTP/1.1 100 Continue\r\n\r\n" == await talk.reader.readuntil(b"\r\n\r\n")
    talk.send(body)
    assert (200, "5") == shown(await talk.answer())


async def test_hundreds_in_one_piece(talk):
    talk.send(b"".join(asked(talk, identified(number)) for number in range(300)))
    assert [(200, str(number)) for number in range(300)] == [shown(await talk.answer()) for _ in range(300)]


async def test_other_routes_get_their_bodies(talk):
    talk.send(asked(talk, b'{"ready": 7}', INDEX))
    status, _, said = await talk.answer()
    assert (400, True) == (status, b"ready" in said)
    talk.send(asked(talk, b'{"IN": [1.0, 2.0, 3.0, 4.0]}', GENERATE))
    status, _, said = await talk.answer()
    assert (200, [1.0, 2.0, 3.0, 4.0]) == (status, json.loads(said)["OUT"])
    talk.send(asked(talk, b'{"name": 7}', MODZY))
    status, _, said = await talk.answer()
    assert (400, True) == (status, b"name" in said)
    talk.send(talk.head("/v2/health/live", "GET", **JDK))
    assert (200, b'{"live":true}') == ((answer := await talk.answer())[0], answer[2])


async def test_a_web_socket_is_asked_for(talk):
    talk.send(talk.head("/v2/health/live", "GET", Connection="Upgrade", Upgrade="websocket") + talk.request())
    assert [200, 200] == [(await talk.answer())[0] for _ in range(2)]


async def test_a_head_that_is_wrong_is_refused_all_the_same(talk):
    talk.send(talk.head(Content_Length=3, Transfer_Encoding="chunked", **JDK) + b"0\r\n\r\n")
    assert 400 == (await talk.answer())[0]
    assert await talk.ended()


async def test_a_tunnel_is_refused_and_what_follows_it_is_nobodys(talk, wire):
    talk.send(talk.head("/v2/health/live", "CONNECT") + talk.request())
    status, headers, _ = await talk.answer()
    assert (405, "close") == (status, headers["connection"])
    assert await talk.ended()
    await settled(lambda: not wire.server.server_state.connections)


@pytest.mark.skipif(shutil.which("curl") is None, reason="apt install curl")
@pytest.mark.parametrize(
    ("path", "body"), [(INFER, identified(8)), (GENERATE, b'{"IN": [1.0, 2.0, 3.0, 4.0], "id": "8"}')]
)
async def test_curl(wire, path, body):
    arguments = ["-sS", "--http2", "-H", f"Authorization: ApiKey {wire.home.key}", "--data-binary", "@-"]
    curl = await asyncio.create_subprocess_exec(
        "curl", *arguments, wire.url + path, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await curl.communicate(body)
    assert "8" == json.loads(said)["id"]
