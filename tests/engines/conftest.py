"""Real engines for the tests of this folder: models as plain processes and in the sandbox."""

from pathlib import Path

import pytest
from engines.keeper import Keeper, new_runner

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


def new_keeper(tmp_path: Path, isolation: str) -> Keeper:
    data = tmp_path / "data"
    return Keeper(new_runner(data, isolation), FolderBlobs(data / "blobs", b"k" * 32), data)
