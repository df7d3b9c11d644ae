"""Every test of the job engine that opens a house does so on both databases."""

import pytest
from databases import BOTH
from rooms.jobs import house


@pytest.fixture(autouse=True)
def _fate_at_once(monkeypatch):
    """The replicas of these houses have no process that could say why they are gone: nobody waits for it."""
    monkeypatch.setattr("headrace.fleet.seat.FATE", 0.0)


@pytest.fixture(autouse=True)
def _database_of_houses(request, monkeypatch):
    if "engine" not in request.fixturenames or request.getfixturevalue("engine") != "postgresql":
        yield
        return
    with request.getfixturevalue("postgresql").lent() as one:
        monkeypatch.setattr(house, "new_url", one)
        yield


def pytest_generate_tests(metafunc):
    if metafunc.module.__name__.endswith("test_engine"):
        metafunc.fixturenames.append("engine")
        metafunc.parametrize("engine", BOTH)
