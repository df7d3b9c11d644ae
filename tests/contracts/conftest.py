"""One live server for all tests of this folder, with a small model on it. Clients are unmodified."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from live import running

MODELS = Path(__file__).parent / "models"


@pytest.fixture(scope="session")
def live(tmp_path_factory):
    with running(tmp_path_factory.mktemp("server")) as server:
        yield SimpleNamespace(server=server, url=server.url, key=server.key, model=server.deploy(MODELS / "echo"))
