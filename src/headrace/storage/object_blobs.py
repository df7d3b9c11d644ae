"""Large bodies in S3, Azure Blob Storage or what speaks like them, by obstore: the same names as in a folder.

A body is streamed to a local file first, since its name is the hash of all its bytes; then it is uploaded under that
name, in parts. The object store's acknowledgement is its promise of durability.
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import blake3
import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import ObjectStore, from_url

from headrace import faults
from headrace.domain.body import PIECE, BlobRef
from headrace.domain.errors import NotFound, StorageFailed, TooLarge

PART = 8 << 20  # bytes of one part of an upload


class ObjectBlobs:
    def __init__(self, store: ObjectStore, key: bytes, scratch: Path) -> None:
        self._store, self._key, self._scratch = store, key, scratch
        scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left_over in scratch.iterdir():
            left_over.unlink()

    async def put(self, pieces: AsyncIterator[bytes], at_most: int) -> BlobRef:
        path = self._scratch / secrets.token_hex(8)
        try:
            ref = await self._spool(path, pieces, at_most)
            faults.point("objects.put.spooled")
            await obstore.put_async(self._store, ref.digest, path, chunk_size=PART, max_concurrency=4)
            faults.point("objects.put.after")
        except (OSError, BaseError) as error:
            raise StorageFailed("the body could not be stored in the object store", technical=str(error)) from error
        finally:
            path.unlink(missing_ok=True)
        return ref

    async def _spool(self, path: Path, pieces: AsyncIterator[bytes], at_most: int) -> BlobRef:
        hasher, size = blake3.blake3(key=self._key), 0
        with path.open("xb") as file:
            async for piece in pieces:
                size += len(piece)
                if size > at_most:
                    raise TooLarge(f"the body is larger than the {at_most} bytes allowed here")
                hasher.update(piece)
                file.write(piece)
        return BlobRef(hasher.hexdigest(), size)

    async def pieces(self, ref: BlobRef) -> AsyncIterator[bytes]:
        hasher = blake3.blake3(key=self._key)
        try:
            answer = await obstore.get_async(self._store, ref.digest)
            async for piece in answer.stream(min_chunk_size=PIECE):
                hasher.update(piece)
                yield bytes(piece)
        except (FileNotFoundError, NotFoundError):
            raise NotFound("this body is no longer stored") from None
        except BaseError as error:
            raise StorageFailed("a stored body cannot be read from the object store", technical=str(error)) from error
        if hasher.hexdigest() != ref.digest:
            raise StorageFailed(f"the stored body {ref.digest} was changed in the object store")

    async def names(self, older_than: float) -> AsyncIterator[str]:
        limit = datetime.now(UTC) - timedelta(seconds=older_than)
        try:
            async for listed in obstore.list(self._store):
                for one in listed:
                    if one["last_modified"] < limit:
                        yield one["path"]
        except BaseError as error:
            raise StorageFailed("the object store cannot be listed", technical=str(error)) from error

    async def delete(self, digest: str, older_than: float = 0.0) -> None:
        limit = datetime.now(UTC) - timedelta(seconds=older_than)
        with suppress(FileNotFoundError, NotFoundError):
            if older_than and (await obstore.head_async(self._store, digest))["last_modified"] > limit:
                return
            await obstore.delete_async(self._store, digest)


def open_store(url: str) -> ObjectStore:
    """`s3://bucket/prefix` or `azure://container/prefix`.

    Keys, region and endpoint come from the usual environment variables of those services: AWS_ACCESS_KEY_ID,
    AWS_ENDPOINT_URL, AZURE_STORAGE_ACCOUNT_NAME and their neighbours.
    """
    plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http:")  # the operator wrote http: himself
    return from_url(
        url,
        client_options={"timeout": timedelta(seconds=60), "allow_http": plain},
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=20)},
    )
