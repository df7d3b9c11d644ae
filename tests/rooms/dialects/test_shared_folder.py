"""The folder that is shared with a model: what it leaves there is taken whole and within the limit, or not at all."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace.dialects.shared_folder import SharedFolder, Turn, Unreadable
from headrace.domain.body import INLINE, BlobRef
from headrace.domain.errors import NotFound, StorageFailed
from headrace.domain.reach import Shared
from headrace.runners.limits import FOLDERS, Limits, excess, written
from headrace.storage.blobs import FolderBlobs

MOST = 1 << 20  # bytes


class Meanwhile(FolderBlobs):
    """While one output is stored, the model sets the length of all others."""

    outputs: Path
    length = 0
    stored = 0

    async def put(self, pieces: AsyncIterator[bytes], at_most: int) -> BlobRef:
        for file in self.outputs.iterdir():
            with file.open("r+b") as changed:
                changed.truncate(self.length)
        ref = await super().put(pieces, at_most)
        self.stored += ref.size
        return ref


@pytest.fixture
def store(tmp_path: Path) -> Meanwhile:
    return Meanwhile(tmp_path / "blobs", b"k" * 32)


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    (tmp_path / "shared").mkdir()
    return Shared(tmp_path / "shared", "/inside")


@pytest.fixture
def folder(shared: Shared, store: Meanwhile) -> SharedFolder:
    return SharedFolder(shared, store, MOST)


async def turned(tmp_path: Path, folder: SharedFolder, store: Meanwhile, outputs: dict[str, int]) -> Turn:
    turn = await folder.put({"a": b"x"})
    store.outputs = tmp_path / "shared" / turn.name / "output"
    for name, size in outputs.items():
        (store.outputs / name).write_bytes(b"1" * size)
    return turn


async def test_outputs_up_to_the_limit_are_taken(tmp_path: Path, folder: SharedFolder, store: Meanwhile) -> None:
    store.length = INLINE + 1
    turn = await turned(tmp_path, folder, store, {"small": INLINE, "large": INLINE + 1})

    outputs = await folder.take(turn)

    assert b"1" * INLINE == outputs["small"].body
    assert isinstance(outputs["large"].body, BlobRef)
    assert INLINE + 1 == outputs["large"].body.size


async def test_more_together_than_the_limit_is_not(tmp_path: Path, folder: SharedFolder, store: Meanwhile) -> None:
    turn = await turned(tmp_path, folder, store, {"one": MOST, "two": 1})
    with pytest.raises(Unreadable, match=f"are {MOST + 1} bytes together, the limit is {MOST} bytes"):
        await folder.take(turn)


@pytest.mark.parametrize("length", [INLINE, MOST])
async def test_an_output_that_changes_is_not_cut_but_refused(
    tmp_path: Path, folder: SharedFolder, store: Meanwhile, length: int
) -> None:
    store.length = length
    turn = await turned(tmp_path, folder, store, {f"o{number}": INLINE + 1 for number in range(10)})

    with pytest.raises(Unreadable, match="changed while it was read"):
        await folder.take(turn)

    assert store.stored <= INLINE + 1


async def test_inputs_are_not_what_the_model_wrote(
    tmp_path: Path, folder: SharedFolder, store: Meanwhile, shared: Shared
) -> None:
    limits = Limits(1 << 40, 100_000, 10 << 20, (0,))
    turn = await folder.put({"large": b"x" * (11 << 20), "small": b"x"})
    store.outputs = tmp_path / "shared" / turn.name / "output"
    (store.outputs / "o").write_bytes(b"1" * (10 << 20))
    assert None is excess(limits, os.getpid(), shared.folder, shared)
    assert 10 << 20 <= written(shared.folder, shared) <= (10 << 20) + FOLDERS

    (store.outputs / "more").write_bytes(b"1" * (2 << 20))
    assert "it wrote 12 MB to its disk, its limit is 10 MB" == excess(limits, os.getpid(), shared.folder, shared)
    assert "it wrote 12 MB to its disk, its limit is 10 MB" == limits.over_disk(written(shared.folder, shared))

    await folder.clear(turn)
    assert (0, 0) == (shared.ours, written(shared.folder, shared))


async def test_what_could_not_be_put_there_leaves_nothing(folder: SharedFolder, shared: Shared) -> None:
    with pytest.raises(NotFound):
        await folder.put({"a": b"x", "gone": BlobRef("0" * 64, 10)})
    assert (0, []) == (shared.ours, list(shared.folder.iterdir()))

    shared.folder.rmdir()
    with pytest.raises(StorageFailed):
        await folder.put({"a": b"x"})
    assert shared.ours == 0
