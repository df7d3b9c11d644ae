"""Bodies in an object store: a real S3 server (rclone) that checks signatures."""

import secrets

import pytest
from objects import BUCKET, s3

from headrace.domain.body import BlobRef, whole
from headrace.domain.errors import NotFound, StorageFailed, TooLarge
from headrace.storage.object_blobs import ObjectBlobs, open_store

KEY = b"k" * 32


@pytest.fixture(scope="module")
def variables(tmp_path_factory):
    with s3(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture
def blobs(variables, tmp_path, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return ObjectBlobs(open_store(f"s3://{BUCKET}/here"), KEY, tmp_path / "scratch")


async def pieces(*parts):
    for part in parts:
        yield part


@pytest.mark.parametrize("size", [0, 1, 100_000, 20_000_000])
async def test_a_body_comes_back(blobs, size):
    body = secrets.token_bytes(size)
    ref = await blobs.put(pieces(body[: size // 2], body[size // 2 :]), size)

    assert size == ref.size
    assert body == await whole(ref, blobs)
    assert ref.digest in [name async for name in blobs.names(older_than=-10)]
    assert ref.digest not in [name async for name in blobs.names(older_than=100)]


async def test_too_large_a_body_leaves_nothing(blobs, tmp_path):
    with pytest.raises(TooLarge):
        await blobs.put(pieces(b"abcd"), 3)
    assert [] == list((tmp_path / "scratch").iterdir())


async def test_a_deleted_body_is_not_found(blobs):
    ref = await blobs.put(pieces(b"gone"), 9)
    await blobs.delete(ref.digest)
    await blobs.delete(ref.digest)
    with pytest.raises(NotFound):
        await whole(ref, blobs)


@pytest.mark.usefixtures("blobs")
async def test_a_wrong_secret_is_told_as_a_storage_failure(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StorageFailed):
        await ObjectBlobs(open_store(f"s3://{BUCKET}/here"), KEY, tmp_path / "other").put(pieces(b"x"), 9)


async def test_an_unknown_body_is_not_found(blobs):
    with pytest.raises(NotFound):
        await whole(BlobRef("0" * 64, 1), blobs)
