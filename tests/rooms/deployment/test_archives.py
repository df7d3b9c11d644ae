"""Uploaded archives: one server keeps them, any brings them in, and nothing is left behind."""

import os
import time
from pathlib import Path

import pytest

from headrace.deployment.archives import FolderArchives, StoredArchives
from headrace.deployment.rows import SourceForm
from headrace.domain.errors import NotReady
from headrace.domain.ids import VersionKey
from headrace.storage.blobs import FolderBlobs

KEY = VersionKey("model", "1.0.0")
OLD = time.time() - 3 * 24 * 3600


@pytest.fixture
def spool(tmp_path):
    path = tmp_path / "upload"
    path.write_bytes(b"archive" * 100_000)
    return path


@pytest.fixture
def bodies(tmp_path):
    return FolderBlobs(tmp_path / "blobs", b"k" * 32)


async def test_what_one_server_took_another_brings_in(bodies, spool, tmp_path):
    one, two = (StoredArchives(bodies, tmp_path / name) for name in ("one", "two"))
    source = await one.keep(KEY, spool, "model.zip", spool.stat().st_size)
    assert (SourceForm.BODY, "model.zip", 700_000, True) == (source.form, source.filename, source.size, source.uploaded)
    async with two.here(source) as here:
        assert SourceForm.ARCHIVE is here.form
        assert spool.read_bytes() == Path(here.path).read_bytes()  # noqa: ASYNC240 - small, and on this disk
    assert [] == list((tmp_path / "two").iterdir())

    await bodies.delete(source.path)
    with pytest.raises(NotReady, match="send it again"):
        async with two.here(source):
            pass


async def test_a_fetch_that_was_cut_short_goes_at_the_next_start(bodies, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "half").write_bytes(b"x")
    await StoredArchives(bodies, tmp_path / "one").sweep(set())
    assert [] == list((tmp_path / "one").iterdir())


async def test_a_folder_that_was_moved_is_found_by_its_files(spool, tmp_path):
    source = await FolderArchives(tmp_path / "imports").keep(KEY, spool, "model.zip", 700_000)
    (tmp_path / "imports").rename(tmp_path / "restored")
    moved = FolderArchives(tmp_path / "restored")
    async with moved.here(source) as here:
        assert str(tmp_path / "restored") in here.path
    await moved.drop(source)
    with pytest.raises(NotReady, match="send it again"):
        async with moved.here(source):
            pass


async def test_the_young_archive_of_another_server_stays(spool, tmp_path):
    """Its row is just being written. What is old, and named by nobody, goes."""
    shared = FolderArchives(tmp_path / "imports", alone=False)
    young, wanted = [await shared.keep(KEY, copy(spool, name), "m", 1) for name in ("a", "b")]
    left = tmp_path / "imports" / "left"
    left.write_bytes(b"x")
    for path in (left, wanted.path):
        os.utime(path, (OLD, OLD))
    await shared.sweep({wanted.path})
    assert {young.path, wanted.path} == {str(path) for path in (tmp_path / "imports").iterdir()}
    await FolderArchives(tmp_path / "imports").sweep({wanted.path})
    assert [wanted.path] == [str(path) for path in (tmp_path / "imports").iterdir()]


def copy(path, name):
    other = path.with_name(name)
    other.write_bytes(path.read_bytes())
    return other
