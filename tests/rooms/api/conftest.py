"""A house for each test, and a client of its administrator."""

import pytest
from rooms.api.house import house


@pytest.fixture(autouse=True)
def _fate_at_once(monkeypatch):
    """The replicas of these houses have no process that could say why they are gone: nobody waits for it."""
    monkeypatch.setattr("headrace.fleet.seat.FATE", 0.0)


@pytest.fixture
async def home(tmp_path):
    async with house(tmp_path) as found:
        yield found


@pytest.fixture
async def client(home):
    async with home.client() as found:
        yield found
