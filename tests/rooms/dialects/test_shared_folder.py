"""The folder that is shared with a model: what it leaves there is taken whole and within the limit, or not at all."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headrace.dialects.shared_folder import SharedFolder, Turn, Unreadable
from headrace.domain.body import INLINE, BlobRef
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
def folder(tmp_path: Path, store: Meanwhile) -> SharedFolder:
    (tmp_path / "shared").mkdir()
    return SharedFolder(tmp_path / "shared", "/inside", store, MOST)


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
