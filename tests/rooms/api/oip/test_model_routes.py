"""Requests for routes of a model's own, through the app to a replica and back."""

import asyncio
import json
from dataclasses import replace

import httpx2
import pytest
from rooms.api.house import house
from rooms.api.oip.conftest import in_memory
from rooms.api.oip.served import activate, publish, served

from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.account import Role
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Form, Output
from headrace.domain.route import OURS, OURS_BELOW
from headrace.domain.tensor import TensorModel
from headrace.domain.version import VersionStatus
from headrace.settings import OipSettings

ROUTES = (("POST", "/say"), ("GET", "/items/{item}"), ("POST", "/items/{item}"))
SPEAKS = TensorModel("mlserver", routes=ROUTES)


class Speaker:
    """Answers as the request's header "x-do" says: by default with the request's body, in two halves."""

    def __init__(self):
        self.heads = []
        self.refused = asyncio.Event()

    async def ready(self, _timeout):
        return ReplicaInfo(tensors=SPEAKS)

    def refuse(self):
        self.refused.set()

    async def run(self, questions, _timeout):
        [question] = questions
        assert (Form.HTTP, True) == (question.form, question.stream)
        body, length = question.inputs[""], int(question.meta["head"])
        head = json.loads(body[:length])
        self.heads.append(head)
        wish = dict(head["headers"]).get("x-do", "")
        if wish == "fail":
            yield Answer(now(), now(), 0.5, error="no luck", meta={"status": "418"})
            return
        if wish == "nothing":
            yield Answer(now(), now(), 0.5, meta={"empty": "1"})
            return
        told = json.dumps({"status": 201, "headers": json.loads(wish or '[["content-type", "text/x"]]')}).encode()
        half = len(body) - (len(body) - length) // 2
        yield piece(told + body[length:half], {"head": str(len(told))})
        if wish == '[["x-then", "break"]]':
            yield Answer(now(), now(), 0.5, error="it broke")
            return
        if wish == '[["x-then", "wait"]]':
            await self.refused.wait()
        yield piece(body[half:], {})
        yield Answer(now(), now(), 0.5, meta={"empty": "1"})

    def close(self):
        pass


def piece(body, meta):
    return Answer(now(), now(), 0.5, {"": Output(body, "application/octet-stream")}, meta=meta, more=True)


@pytest.fixture
def speaker():
    return Speaker()


@pytest.fixture
async def model(home, speaker):
    return await publish(home, "speaker", tensors=SPEAKS, dialect=speaker)


async def test_a_request_goes_as_it_came_and_so_does_its_answer(model, client, speaker):
    headers = {"X-Mine": "yes", "X-Request-Id": "7"}
    for path in ("/say", "/say/", f"/v2/models/{model}/say", "/v2/models/speaker/versions/1/say"):
        answer = await client.post(f"{path}?a=b%20c&a=d", content=b"\x00raw", headers=headers)
        assert (201, b"\x00raw") == (answer.status_code, answer.content)
        assert ("text/x", "7") == (answer.headers["content-type"], answer.headers["x-request-id"])

    for head in speaker.heads:
        assert ("POST", "/say", "a=b%20c&a=d") == (head["method"], head["path"], head["query"])
        told = dict(head["headers"])
        assert "yes" == told["x-mine"]
        assert not {"authorization", "content-length", "connection"} & set(told)


@pytest.mark.usefixtures("model")
async def test_parameters_in_the_path(client, speaker):
    assert 201 == (await client.get("/items/a%2Fb")).status_code
    assert "/items/a/b" == speaker.heads[0]["path"]
    assert 404 == (await client.get("/items")).status_code


@pytest.mark.usefixtures("model")
async def test_only_declared_paths_and_methods(client):
    wrong = await client.get("/say")
    assert (405, "POST", {"error": "Method Not Allowed"}) == (wrong.status_code, wrong.headers["allow"], wrong.json())
    assert "GET, POST" == (await client.delete("/items/7")).headers["allow"]
    unknown = await client.post("/sing")
    assert (404, "NOT_FOUND") == (unknown.status_code, unknown.json()["status"])
    below = await client.post("/v2/models/speaker/sing")
    assert (404, {"error": "Not Found"}) == (below.status_code, below.json())


@pytest.mark.usefixtures("model")
async def test_the_key_is_asked_for(home, client, speaker):
    assert 401 == (await client.post("/say", headers={"Authorization": ""})).status_code
    auditor = {"Authorization": f"ApiKey {await home.key_of('a@example.com', Role.AUDITOR)}"}
    assert 403 == (await client.post("/say", headers=auditor)).status_code
    stranger = {"Authorization": f"ApiKey {await home.key_of('s@example.com', Role.DEVELOPER)}"}
    assert 404 == (await client.post("/say", headers=stranger)).status_code
    assert 404 == (await client.post("/v2/models/speaker/say", headers=stranger)).status_code
    assert [] == speaker.heads


async def test_restricted_inference_restricts_routes_too(tmp_path, speaker):
    async with (
        house(tmp_path, oip=OipSettings(restricted=("inference:x-pass=word",))) as home,
        in_memory(home) as client,
    ):
        await publish(home, "speaker", tensors=SPEAKS, dialect=speaker)
        assert 403 == (await client.post("/say")).status_code
        assert 201 == (await client.post("/say", headers={"x-pass": "word"})).status_code


async def test_what_opens_doors_is_not_shown(tmp_path, speaker):
    restricted = ("inference:x-pass=word", "model-repository:x-other=w")
    secrets = {"x-pass": "word", "X-Other": "w", "Cookie": "session=1", "triton-access-token": "t"}
    async with house(tmp_path, oip=OipSettings(restricted=restricted)) as home, in_memory(home) as client:
        await publish(home, "speaker", tensors=SPEAKS, dialect=speaker)
        assert 201 == (await client.post("/say", headers=secrets | {"x-own": "1"})).status_code
    [head] = speaker.heads
    shown = {name for name, _ in head["headers"]}
    assert "x-own" in shown
    assert not shown & {"authorization", *(name.lower() for name in secrets)}


async def test_two_models_with_one_path_are_asked_below_themselves(model, home, client):
    other = await publish(home, "other", tensors=SPEAKS, dialect=Speaker())

    refused = await client.post("/say", content=b"x")

    assert 400 == refused.status_code
    assert {model, other} <= set(refused.json()["error"].replace(",", "").split())
    assert 201 == (await client.post("/v2/models/other/say", content=b"x")).status_code


async def test_a_version_that_is_taken_back_takes_its_routes_along(model, home, client):
    assert 201 == (await client.post("/say")).status_code
    key = VersionKey(model, "1.0.0")
    await home.rooms.versions.change(key, lambda one: replace(one, status=VersionStatus.INACTIVE), now())
    assert 404 == (await client.post("/say")).status_code
    await activate(home, key, SPEAKS)
    assert 201 == (await client.post("/say")).status_code


@pytest.mark.usefixtures("model")
async def test_what_the_model_says_of_an_error(client):
    failed = await client.post("/say", headers={"x-do": "fail"})
    assert (418, {"error": "no luck"}) == (failed.status_code, failed.json())


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    "headers",
    [
        '[["x-a", "b\\r\\nset-cookie: c"]]',
        '[["x a", "b"]]',
        '[["x-a", "\\u4e16"]]',
        f'[["x-a", "{"b" * 9_000}"]]',
        "{}",
    ],
)
async def test_headers_that_http_does_not_allow_are_no_answer(client, headers):
    wrong = await client.post("/say", headers={"x-do": headers})
    assert 500 == wrong.status_code
    assert "the handler's answer has" in wrong.json()["error"]


@pytest.mark.usefixtures("model")
async def test_a_model_cannot_speak_for_the_server(client):
    given = [["Set-Cookie", "a=b"], ["X-Frame-Options", "ALLOW"], ["Connection", "close"], ["x-mine", "yes"]]
    answer = await client.post("/say", headers={"x-do": json.dumps(given)})
    assert ("DENY", "yes") == (answer.headers["x-frame-options"], answer.headers["x-mine"])
    assert not {"set-cookie", "connection"} & set(answer.headers)


@pytest.mark.usefixtures("model")
async def test_no_answer_is_an_error(client):
    empty = await client.post("/say", headers={"x-do": "nothing"})
    assert (500, "the handler's answer has no head") == (empty.status_code, empty.json()["error"][:32])


@pytest.mark.usefixtures("model")
async def test_an_answer_that_breaks_off_ends_the_connection(home):
    async with served(home) as wire, wire.client() as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post("/say", content=b"1234", headers={"x-do": '[["x-then", "break"]]'})


@pytest.mark.usefixtures("model")
async def test_a_caller_who_leaves_stops_the_model(home, speaker):
    async with served(home) as wire, wire.client() as client:
        wish = {"x-do": '[["x-then", "wait"]]'}
        async with client.stream("POST", "/say", content=b"1234", headers=wish) as answer:
            assert b"12" == await anext(answer.aiter_raw())
        async with asyncio.timeout(30):
            await speaker.refused.wait()


async def test_bodies_have_a_limit(tmp_path, speaker):
    async with house(tmp_path, oip=OipSettings(body_limit=1_000)) as home, in_memory(home) as client:
        await publish(home, "speaker", tensors=SPEAKS, dialect=speaker)
        assert 413 == (await client.post("/say", content=b"x" * 1_001)).status_code
        assert 201 == (await client.post("/say", content=b"x" * 1_000)).status_code


def test_no_path_of_ours_can_be_declared(home):
    """Every first segment of the server's paths is held back, and every one below a model."""
    rows = [row for door in home.app.routes[1:] for row in door._table.rows]  # noqa: SLF001 - as it is wired
    first = {row.path.split("/")[1] for row in rows}
    below = {row.path.split("/")[4] for row in rows if row.path.startswith("/v2/models/{model}/")}
    assert first <= OURS | {"v1"}  # there a model's own route comes first
    assert below <= OURS_BELOW
