"""An image goes from files to a registry: the parts that it lacks, then the manifest under its tag."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from headrace.domain.errors import Invalid, NotFound
from headrace.images.registry.client import Registry
from headrace.images.registry.reference import Reference

PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """A part of the image."""

    path: Path
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    document: bytes  # the manifest
    media_type: str
    files: Sequence[File]


async def push(registry: Registry, reference: Reference, image: Outgoing, report: Callable[[int], None]) -> str:
    """Returns the digest that the registry says it has. `report` is told bytes. Raises what Registry raises."""
    for file in image.files:
        if not await _has(registry, file.digest):
            await _upload(registry, file)
        report(file.size)
    headers = {"Content-Type": image.media_type}
    url = registry.url(f"manifests/{reference.which}")
    async with registry.asked("PUT", url, headers, image.document) as answer:
        return str(answer.headers.get("docker-content-digest", ""))


async def _has(registry: Registry, digest: str) -> bool:
    try:
        async with registry.asked("HEAD", registry.url(f"blobs/{digest}")):
            return True
    except NotFound:
        return False


async def _upload(registry: Registry, file: File) -> None:
    begin = registry.url("blobs/uploads/")
    async with registry.asked("POST", begin, {"Content-Length": "0"}, b"") as answer:
        try:
            place = begin.join(answer.headers["location"])
        except (KeyError, httpx2.InvalidURL):
            raise Invalid("the registry does not say where an upload should go") from None
    headers = {"Content-Length": str(file.size), "Content-Type": "application/octet-stream"}
    url = place.copy_merge_params({"digest": file.digest})
    async with registry.asked("PUT", url, headers, _pieces(file.path)):
        return


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as opened:
        while piece := await asyncio.to_thread(opened.read, PIECE):
            yield piece
