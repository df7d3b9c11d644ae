"""The doors' house, for what is told at GET /metrics."""

import pytest
from rooms.api.house import house


@pytest.fixture
async def home(tmp_path):
    async with house(tmp_path) as found:
        yield found
