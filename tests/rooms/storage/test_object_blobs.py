"""Bodies in an object store: a real S3 server (rclone) that checks signatures."""

import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.domain.body import BlobRef, whole
from headrace.domain.errors import NotFound, StorageFailed, TooLarge
from headrace.storage.object_blobs import ObjectBlobs, open_store

KEY = b"k" * 32


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """The address and the keys of an S3 server of our own, with one bucket."""
    folder = tmp_path_factory.mktemp("s3")
    (folder / "bodies").mkdir()
    port, user, secret = free_port(), "headrace", secrets.token_hex(8)
    rclone = Path(sys.executable).with_name("rclone")
    command = [rclone, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{user},{secret}", folder]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", user, secret
        server.terminate()


@pytest.fixture
def blobs(s3, tmp_path, monkeypatch):
    address, user, secret = s3
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", user)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return ObjectBlobs(open_store("s3://bodies/here"), KEY, tmp_path / "scratch")


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
        await ObjectBlobs(open_store("s3://bodies/here"), KEY, tmp_path / "other").put(pieces(b"x"), 9)


async def test_an_unknown_body_is_not_found(blobs):
    with pytest.raises(NotFound):
        await whole(BlobRef("0" * 64, 1), blobs)
