"""One published echo, asked through the app and over real connections."""

from contextlib import asynccontextmanager

import httpx2
import pytest
from rooms.api.house import house
from rooms.api.oip.served import Echo, publish, served


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
async def home(tmp_path, echo):
    async with house(tmp_path) as found:
        await publish(found, dialect=echo)
        yield found


@pytest.fixture
async def wire(home):
    async with served(home) as found:
        yield found


@asynccontextmanager
async def in_memory(home):
    transport = httpx2.ASGITransport(home.app)
    headers = {"Authorization": f"ApiKey {home.key}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
        yield client


@pytest.fixture
async def client(home):
    async with in_memory(home) as found:
        yield found


@pytest.fixture(params=["app", "fast path"])
async def either(request, home):
    """What both ways must answer alike."""
    if request.param == "app":
        async with in_memory(home) as found:
            yield found
    else:
        async with served(home) as wire, wire.client() as found:
            yield found
