"""DNS rebinding: on loopback only loopback names are answered to."""

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from headrace.api.hosts import Hosts
from headrace.settings import ServerSettings


async def _status(settings, host):
    transport = httpx2.ASGITransport(Hosts(PlainTextResponse("hi"), settings))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get("/", headers={"Host": host})


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST", "my.name"]
)
async def test_names_of_this_machine(host):
    assert 200 == (await _status(ServerSettings(public_url="https://my.name/"), host)).status_code


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "[", "192.168.0.1"]
)
async def test_other_names(host):
    answer = await _status(ServerSettings(), host)
    assert 421 == answer.status_code
    assert "does not answer to the name" in answer.json()["message"]
    assert "nosniff" == answer.headers["x-content-type-options"]


async def test_bound_to_the_network_every_name_is_answered():
    assert 200 == (await _status(ServerSettings(host="0.0.0.0"), "models.example")).status_code
