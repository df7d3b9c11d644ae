"""Restricted groups, and another base path."""

import pytest
from rooms.api.house import house
from rooms.api.oip.conftest import in_memory
from rooms.api.oip.served import Echo, publish, request, served

from headrace.api.oip.restricted import Restrictions, group_of
from headrace.domain.errors import Invalid
from headrace.settings import OipSettings

INFER = "/v2/models/echo/infer"


@pytest.fixture(params=["app", "fast path"])
async def client(request, tmp_path):
    settings = OipSettings(base_path="/serving/here/", restricted=("inference,health:Secret=x1", "statistics:k=v"))
    async with house(tmp_path, oip=settings) as home:
        await publish(home, dialect=Echo())
        if request.param == "app":
            async with in_memory(home) as found:
                yield found
        else:
            async with served(home) as wire, wire.client() as found:
                yield found


@pytest.mark.parametrize("headers", [{}, {"secret": "x2"}, {"secret": ""}])
async def test_without_the_header(client, headers):
    for answer in (
        await client.post(INFER, json=request(), headers=headers),
        await client.get("/v2/health/live", headers=headers),
        await client.get("/v2/models/echo/ready", headers=headers),
    ):
        expected = (403, {"error": "This API is restricted, expecting header 'Secret'"})
        assert expected == (answer.status_code, answer.json())


async def test_with_the_header(client):
    headers = {"secret": "x1"}
    assert 200 == (await client.post(INFER, json=request(), headers=headers)).status_code
    assert 200 == (await client.get("/v2/health/live", headers=headers)).status_code
    assert 200 == (await client.get("/v2/models/echo")).status_code
    assert 403 == (await client.get("/v2/models/stats", headers=headers)).status_code
    assert 401 == (await client.post(INFER, json=request(), headers=headers | {"Authorization": ""})).status_code


async def test_openais_routes_too(tmp_path):
    settings = OipSettings(restricted=("metadata:m=v", "inference:i=v"))
    async with house(tmp_path, oip=settings) as home, in_memory(home) as client:
        for name, ask in (
            ("m", lambda headers: client.get("/v1/models", headers=headers)),
            ("m", lambda headers: client.get("/v1/models/x", headers=headers)),
            ("i", lambda headers: client.post("/v1/completions", json={"model": "x"}, headers=headers)),
            ("i", lambda headers: client.post("/v1/chat/completions", json={"model": "x"}, headers=headers)),
            ("i", lambda headers: client.post("/v1/embeddings", json={"model": "x"}, headers=headers)),
        ):
            refused = await ask({})
            assert 403 == refused.status_code
            assert f"expecting header '{name}'" in refused.json()["error"]["message"]
            assert (await ask({name: "v"})).status_code in {200, 404}


async def test_below_the_base_path(client):
    headers = {"secret": "x1"}
    assert 200 == (await client.post("/serving/here" + INFER, json=request(), headers=headers)).status_code
    assert "echo" == (await client.get("/serving/here/v2/models/echo")).json()["name"]
    assert 404 == (await client.get("/serving/v2/models/echo")).status_code


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("/v2", "metadata"),
        ("/v2/models/{model}", "metadata"),
        ("/v2/models/{model}/ready", "health"),
        ("/v2/models/{model}/versions/{version}/generate_stream", "inference"),
        ("/v2/models/stats", "statistics"),
        ("/v2/models/{model}/config", "model-config"),
        ("/v2/models/{model}/trace/setting", "trace"),
        ("/v2/repository/{repository}/models/{model}/load", "model-repository"),
        ("/v2/systemsharedmemory/status", "shared-memory"),
        ("/v2/logging", "logging"),
        ("/v1/models/{model}", "metadata"),
        ("/v1/chat/completions", "inference"),
        ("/v1/embeddings", "inference"),
    ],
)
def test_groups(path, group):
    assert group == group_of(path)


@pytest.mark.parametrize("text", ["inference", "inference:k", "nope:k=v", ":k=v", "health:=v"])
def test_settings_that_are_none(text):
    with pytest.raises(Invalid, match=r"oip\.restricted"):
        Restrictions([text])
