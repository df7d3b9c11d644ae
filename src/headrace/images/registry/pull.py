"""An image comes from a registry into our store: found for this machine, each part held to its digest and its size."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import httpx2

from headrace.domain.errors import HeadraceError, Invalid, Unavailable
from headrace.images.oci import documents, platforms
from headrace.images.oci.blobs import Blobs, Partial
from headrace.images.oci.digest import digest_of
from headrace.images.oci.documents import Descriptor, Manifest
from headrace.images.registry.client import Registry
from headrace.images.registry.reference import Reference

NESTED = 4  # lists of images in each other
TRIES = 6  # connections in a row that break without bringing a byte
PAUSE = 0.5  # seconds after the first of them; doubled each time
AT_ONCE = 1 << 20  # bytes that are written together

Report = Callable[[int], Awaitable[None]]  # bytes that have come in addition


async def resolve(registry: Registry, reference: Reference) -> tuple[str, bytes, Manifest]:
    """The manifest for this machine: its digest, itself, and what it says. Raises what Registry raises, Unsupported."""
    wanted = reference.digest
    which = reference.which
    for _ in range(NESTED):
        document = await registry.document(which)
        digest = digest_of(document)
        if wanted and digest != wanted:
            raise Invalid(f"the registry answered with another document than {wanted}: its digest is {digest}")
        found = documents.manifest_or_index(document)
        if isinstance(found, Manifest):
            return digest, document, found
        chosen = platforms.choose(found, platforms.here())
        wanted = which = chosen.digest
    raise Invalid("the registry has lists of images in lists of images")


async def fetch(registry: Registry, blobs: Blobs, manifest: Manifest, report: Report) -> None:
    """All parts that are not here yet, one after the other. Raises what Registry raises, StorageFailed."""
    parts = {one.digest: one for one in (manifest.config, *manifest.layers)}
    for part in parts.values():
        async with blobs.coming(part.digest):
            if blobs.has(part.digest, part.size):
                await report(part.size)
            else:
                await _Download(registry, blobs, part, report).run()


class _Download:
    """One part. What has come stays when the connection breaks, and the next one goes on from there."""

    def __init__(self, registry: Registry, blobs: Blobs, part: Descriptor, report: Report) -> None:
        self._registry, self._blobs, self._part, self._report = registry, blobs, part, report
        self._partial: Partial = blobs.partial(part.digest)

    async def run(self) -> None:
        try:
            await asyncio.to_thread(self._partial.open)
            if self._partial.size > self._part.size:
                self._partial.restart()
            await self._report(self._partial.size)
            await self._until_whole()
        finally:
            self._partial.close()
        if self._partial.digest() != self._part.digest:
            self._partial.path.unlink(missing_ok=True)
            raise Invalid(f"the registry sent another content than {self._part.digest}: its digest is wrong")
        await asyncio.to_thread(self._blobs.take, self._partial.path, self._part.digest)

    async def _until_whole(self) -> None:
        failures, pause = 0, PAUSE
        while self._partial.size < self._part.size:
            before = self._partial.size
            try:
                await self._some()
            except (httpx2.TransportError, Unavailable) as error:
                failures = 0 if self._partial.size > before else failures + 1
                if failures >= TRIES:
                    raise _gave_up(error) from None
                await asyncio.sleep(pause)
                pause = PAUSE if failures == 0 else pause * 2
            else:
                if self._partial.size == before:
                    failures += 1
                if failures >= TRIES:
                    raise Invalid(f"the registry ends {self._part.digest} before its {self._part.size} bytes")

    async def _some(self) -> None:
        """As much as one connection brings."""
        start = self._partial.size
        headers = {"Range": f"bytes={start}-"} if start else {}
        url = self._registry.url(f"blobs/{self._part.digest}")
        async with self._registry.stream(url, headers | {"Accept-Encoding": "identity"}) as answer:
            if start and not _goes_on(answer, start):
                self._partial.restart()
                await self._report(-start)
            waiting = bytearray()
            try:
                async for piece in answer.aiter_raw():
                    waiting += piece
                    if len(waiting) >= AT_ONCE:
                        await self._keep(waiting)
            finally:
                await self._keep(waiting)

    async def _keep(self, waiting: bytearray) -> None:
        if not waiting:
            return
        piece = bytes(waiting)
        waiting.clear()
        if self._partial.size + len(piece) > self._part.size:
            self._partial.path.unlink(missing_ok=True)
            raise Invalid(f"the registry sends more for {self._part.digest} than the {self._part.size} bytes it has")
        await asyncio.to_thread(self._partial.append, piece)
        await self._report(len(piece))


def _goes_on(answer: httpx2.Response, start: int) -> bool:
    said = answer.headers.get("content-range", "")
    return answer.status_code == HTTPStatus.PARTIAL_CONTENT and said.startswith(f"bytes {start}-")


def _gave_up(error: Exception) -> HeadraceError:
    if isinstance(error, HeadraceError):
        return error
    return Unavailable(
        f"the connection to the registry broke {TRIES} times: {str(error)[:300] or type(error).__name__}"
    )
