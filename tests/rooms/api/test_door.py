"""The one way in, with rows of our own: what happens around a handler."""

import logging
from dataclasses import replace

import httpx2
import msgspec
import pytest
from starlette.applications import Starlette

from headrace.api.app import application
from headrace.api.auth import Gate
from headrace.api.door import Door
from headrace.api.endpoint import Endpoint, UploadPart
from headrace.api.table import Table
from headrace.domain.errors import StorageFailed
from headrace.settings import ServerSettings


class Body(msgspec.Struct):
    number: int


class Query(msgspec.Struct):
    limit: int = 3


async def _double(call):
    return Body(call.body.number * 2)


async def _breaks(_call):
    raise ZeroDivisionError("inner detail")


async def _full(_call):
    raise StorageFailed("the disk is full", technical="database or disk is full")


async def _limit(call):
    return {"limit": call.query.limit, "base": call.base_url}


async def _upload(call):
    part = await call.body.part("file")
    return {"size": len(b"".join([piece async for piece in part.pieces]))}


async def _either(call):
    return {"number": call.body.number} if isinstance(call.body, Body) else await _upload(call)


ROWS = [
    Endpoint("POST", "/double", "", None, _double, body=Body),
    Endpoint("GET", "/breaks", "", None, _breaks),
    Endpoint("GET", "/full", "", None, _full),
    Endpoint("GET", "/limit", "", None, _limit, query=Query),
    Endpoint("POST", "/upload", "", None, _upload, upload=UploadPart("file", 100)),
    Endpoint("POST", "/either", "", None, _either, body=Body, upload=UploadPart("file", 100)),
]


@pytest.fixture
async def ask():
    settings = ServerSettings(json_limit=1_000, public_url="https://my.name/")
    app = Starlette(routes=[Door(Table(ROWS), Gate(None), settings)])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client:
        yield client


async def test_a_body_goes_in_and_an_answer_comes_out(ask):
    answer = await ask.post("/double", json={"number": 2})
    assert (200, b'{"number":4}', "application/json") == (
        answer.status_code,
        answer.content,
        answer.headers["content-type"],
    )


async def test_the_unexpected(ask, caplog):
    with caplog.at_level(logging.ERROR):
        answer = await ask.get("/breaks")
    assert (500, "INTERNAL_SERVER_ERROR") == (answer.status_code, answer.json()["status"])
    assert "inner" not in answer.text
    assert "inner detail" in caplog.text


async def test_a_full_disk(ask):
    assert 507 == (await ask.get("/full")).status_code


async def test_queries(ask):
    assert {"limit": 3, "base": "https://my.name"} == (await ask.get("/limit")).json()
    assert 7 == (await ask.get("/limit", params={"limit": 7, "other": "x"})).json()["limit"]
    assert "`limit` should be a whole number" in (await ask.get("/limit?limit=x")).json()["message"]
    assert 400 == (await ask.get("/limit", params={"x": "y" * 20_000})).status_code


async def test_a_head_is_a_get(ask):
    assert 200 == (await ask.head("/limit")).status_code


async def test_uploads(ask):
    assert {"size": 3} == (await ask.post("/upload", files={"file": b"abc"})).json()
    assert "should be multipart/form-data" in (await ask.post("/upload", json={})).json()["message"]
    assert 413 == (await ask.post("/upload", files={"file": b"x" * 100_000})).status_code


async def test_json_or_upload(ask):
    assert {"number": 3} == (await ask.post("/either", json={"number": 3})).json()
    assert {"size": 3} == (await ask.post("/either", files={"file": b"abc"})).json()
    assert "should be JSON here" in (await ask.post("/double", files={"file": b"abc"})).json()["message"]


async def test_a_body_over_the_limit(ask):
    answer = await ask.post("/double", content=b" " * 1_001)
    assert (413, True) == (answer.status_code, "(server.json_limit)" in answer.json()["message"])
    assert "connection" not in answer.headers


async def test_a_refused_body_that_never_ends_is_cut_off(ask):
    async def endless():
        for _ in range(40):
            yield b"x" * (1 << 20)

    answer = await ask.post("/double", content=endless())
    assert (413, "close") == (answer.status_code, answer.headers["connection"])


async def test_other_peoples_pages(home):
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    async with home.client() as client:
        assert 405 == (await client.options("/jobs", headers=preflight)).status_code
        answer = await client.get("/models", headers={"Origin": "https://app.example"})
        assert "access-control-allow-origin" not in answer.headers
    server = ServerSettings(origins=("https://app.example",))
    app = application(replace(home.rooms, settings=replace(home.rooms.settings, server=server)))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost/api") as client:
        allowed = await client.options("/jobs", headers=preflight)
        assert "https://app.example" == allowed.headers["access-control-allow-origin"]
        asked = "authorization,content-type,inference-header-content-length,triton-access-token,x-request-id,x-own"
        allowed = await client.options("/jobs", headers=preflight | {"Access-Control-Request-Headers": asked})
        assert (200, asked) == (allowed.status_code, allowed.headers["access-control-allow-headers"])
        shown = await client.get("/models", headers={"Origin": "https://app.example"})
        assert "*" == shown.headers["access-control-expose-headers"]
        other = await client.options("/jobs", headers=preflight | {"Origin": "https://evil.example"})
        assert (400, False) == (other.status_code, "access-control-allow-origin" in other.headers)
