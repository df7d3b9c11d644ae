"""One live server for all tests of this folder, with a small model on it. Clients are unmodified."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from live import free_port, running

MODELS = Path(__file__).parent / "models"


@pytest.fixture(scope="session")
def live(tmp_path_factory):
    edge = free_port()
    with running(tmp_path_factory.mktemp("server"), f"edge.port={edge}") as server:
        model = server.deploy(MODELS / "echo")
        yield SimpleNamespace(server=server, url=server.url, key=server.key, edge=edge, model=model)
