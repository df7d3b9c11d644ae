"""A house for each test, and a client of its administrator."""

import pytest
from rooms.api.house import house


@pytest.fixture
async def home(tmp_path):
    async with house(tmp_path) as found:
        yield found


@pytest.fixture
async def client(home):
    async with home.client() as found:
        yield found
