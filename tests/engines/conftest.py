"""Real engines for the tests of this folder: models as processes and in the sandbox, images in containers as well."""

from pathlib import Path

import pytest
from engines.boxes import engines
from engines.boxes.keeper import keeper as keeper_of
from engines.boxes.zoo import Zoo
from engines.keeper import Keeper, need_sandbox, new_runner

from headrace.storage.blobs import FolderBlobs


@pytest.fixture(params=["process", "sandbox"])
def keeper(request, tmp_path) -> Keeper:
    return new_keeper(tmp_path, request.param)


@pytest.fixture
def sandboxed(tmp_path) -> Keeper:
    return new_keeper(tmp_path, "sandbox")


@pytest.fixture
def plain(tmp_path) -> Keeper:
    return new_keeper(tmp_path, "process")


@pytest.fixture(scope="session")
def zoo(tmp_path_factory) -> Zoo:
    return Zoo(tmp_path_factory.mktemp("zoo"))


@pytest.fixture(scope="session")
def podman_url():
    with engines.podman() as url:
        yield url


@pytest.fixture(scope="session")
def docker_url():
    with engines.dockerd() as url:
        yield url


@pytest.fixture
def engine_url(request, kind: str) -> str:
    """Where images run in this test: an engine's address, or nothing for the sandbox."""
    if kind == "rootfs":
        need_sandbox()
        return ""
    return request.getfixturevalue(f"{kind}_url")


@pytest.fixture
def kind() -> str:
    """Tests of every way override this by parametrize."""
    return "podman"


@pytest.fixture
async def boxes(kind: str, engine_url: str, zoo: Zoo, tmp_path):
    async with keeper_of(kind, engine_url, zoo, tmp_path) as kept:
        yield kept


def new_keeper(tmp_path: Path, isolation: str) -> Keeper:
    data = tmp_path / "data"
    return Keeper(new_runner(data, isolation), FolderBlobs(data / "blobs", b"k" * 32), data)
