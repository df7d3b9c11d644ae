"""Files in pieces: what was acknowledged is there, or the error says that it is lost."""

import pytest

from headrace.domain.errors import StorageFailed
from headrace.jobs.spool import Grown, Spool
from headrace.storage.blobs import FolderBlobs


async def pieces(*parts):
    for part in parts:
        yield part


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
def blobs(tmp_path):
    return FolderBlobs(tmp_path / "blobs", b"k" * 32)


async def test_pieces_follow_each_other(spool, blobs):
    grown = await spool.append(1, 0, pieces(b"ab"), 10)
    grown = await spool.append(1, grown.size, pieces(b"c", b"d"), 10)

    assert b"abcd" == await spool.body(1, grown.size, blobs)


async def test_what_was_not_acknowledged_is_cut_off(spool, blobs):
    await spool.append(1, 0, pieces(b"abXX"), 10)

    assert Grown(4) == await spool.append(1, 2, pieces(b"cd"), 10)
    assert b"abcd" == await spool.body(1, 4, blobs)


async def test_a_lost_piece_is_never_filled_up_with_zeros(spool, tmp_path):
    await spool.append(1, 0, pieces(b"abcd"), 10)
    (tmp_path / "spool" / "1").write_bytes(b"ab")

    with pytest.raises(StorageFailed, match="are gone"):
        await spool.append(1, 4, pieces(b"ef"), 10)


async def test_a_file_that_is_gone_or_too_short_is_no_body(spool, blobs, tmp_path):
    await spool.append(1, 0, pieces(b"abcd"), 10)
    (tmp_path / "spool" / "1").write_bytes(b"ab")
    with pytest.raises(StorageFailed, match="shorter"):
        await spool.body(1, 4, blobs)

    spool.drop(1)
    with pytest.raises(StorageFailed, match="cannot be read"):
        await spool.body(1, 4, blobs)
