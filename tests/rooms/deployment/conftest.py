"""The tests of deployments that need nothing but rows run on both databases."""

import pytest
from databases import BOTH
from rooms.fleet import stage

from headrace.settings import StorageSettings
from headrace.storage.opening import open_database

ON_BOTH = ("test_deployment", "test_steps")


@pytest.fixture(autouse=True)
def _database_of_stages(request, monkeypatch):
    if "engine" not in request.fixturenames or request.getfixturevalue("engine") != "postgresql":
        yield
        return
    with request.getfixturevalue("postgresql").lent() as one:
        monkeypatch.setattr(stage, "new_database", lambda: open_database(StorageSettings(url=one()), None))
        yield


def pytest_generate_tests(metafunc):
    if metafunc.module.__name__.endswith(ON_BOTH):
        metafunc.fixturenames.append("engine")
        metafunc.parametrize("engine", BOTH)
