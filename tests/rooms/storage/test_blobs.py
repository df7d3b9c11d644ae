"""Bodies by content: stored once, checked when read, nothing left behind."""

import asyncio
import os
import time

import blake3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.domain.body import INLINE, BlobRef, keep, whole
from headrace.domain.errors import NotFound, StorageFailed, TooLarge
from headrace.storage.blobs import FolderBlobs

KEY = b"k" * 32


async def pieces(*parts):
    for part in parts:
        yield part


@pytest.fixture
def blobs(tmp_path):
    return FolderBlobs(tmp_path / "blobs", KEY)


async def test_a_body_comes_back_under_the_keyed_hash_of_its_bytes(blobs):
    ref = await blobs.put(pieces(b"ab", b"c"), 10)

    assert BlobRef(blake3.blake3(b"abc", key=KEY).hexdigest(), 3) == ref
    assert b"abc" == await whole(ref, blobs)


async def test_the_same_body_is_stored_once(blobs, tmp_path):
    assert await blobs.put(pieces(b"same"), 10) == await blobs.put(pieces(b"sa", b"me"), 10)
    assert 1 == len([path for path in (tmp_path / "blobs").rglob("*") if path.is_file()])


async def test_too_large_a_body_leaves_nothing(blobs, tmp_path):
    with pytest.raises(TooLarge, match="3 bytes"):
        await blobs.put(pieces(b"ab", b"cd"), 3)
    assert [] == [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


async def test_a_flipped_bit_is_never_served_as_whole(blobs, tmp_path):
    ref = await blobs.put(pieces(b"x" * 100), 100)
    path = next(path for path in (tmp_path / "blobs").rglob("*") if path.is_file())
    path.write_bytes(b"y" + b"x" * 99)

    with pytest.raises(StorageFailed, match="changed on disk"):
        await whole(ref, blobs)


async def test_an_unknown_body_is_not_found(blobs):
    with pytest.raises(NotFound):
        await whole(BlobRef("0" * 64, 1), blobs)


async def test_names_tells_the_old_ones_and_delete_forgets(blobs, tmp_path):
    old, new = await blobs.put(pieces(b"old"), 9), await blobs.put(pieces(b"new"), 9)
    path = next(path for path in (tmp_path / "blobs").rglob(old.digest))
    os.utime(path, (time.time() - 100,) * 2)

    assert [old.digest] == [name async for name in blobs.names(older_than=50)]
    await blobs.delete(old.digest)
    with pytest.raises(NotFound):
        await whole(old, blobs)
    assert b"new" == await whole(new, blobs)


async def test_storing_an_old_body_again_makes_it_young(blobs, tmp_path):
    ref = await blobs.put(pieces(b"old"), 9)
    os.utime(next((tmp_path / "blobs").rglob(ref.digest)), (0, 0))
    await blobs.put(pieces(b"old"), 9)
    assert [] == [name async for name in blobs.names(older_than=50)]


def test_what_a_crash_left_under_way_goes_at_the_next_start(tmp_path):
    FolderBlobs(tmp_path / "blobs", KEY)
    (tmp_path / "blobs" / "tmp" / "half").write_bytes(b"x")
    FolderBlobs(tmp_path / "blobs", KEY)
    assert [] == list((tmp_path / "blobs" / "tmp").iterdir())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, INLINE), max_size=5))
def test_keep_is_inline_up_to_the_limit_and_a_blob_beyond(blobs, sizes):
    body = os.urandom(sum(sizes))
    cuts = [body[sum(sizes[:n]) : sum(sizes[: n + 1])] for n in range(len(sizes))]

    async def check():
        kept = await keep(pieces(*cuts), blobs, 1 << 30)
        assert isinstance(kept, bytes) == (len(body) <= INLINE)
        assert body == await whole(kept, blobs)

    asyncio.run(check())


async def test_a_body_that_was_stored_again_meanwhile_stays(blobs):
    ref = await blobs.put(pieces(b"again"), 10)
    await blobs.delete(ref.digest, older_than=60.0)
    assert b"again" == await whole(ref, blobs)

    await blobs.delete(ref.digest)
    with pytest.raises(NotFound):
        await whole(ref, blobs)
