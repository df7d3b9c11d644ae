"""Container images on their way in: from a registry or from an uploaded archive into our own store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from headrace.deployment.rows import ImageSource
from headrace.deployment.steps import Progress
from headrace.deployment.told import Told
from headrace.deployment.upkeep import Upkeep
from headrace.domain.errors import Invalid
from headrace.domain.ids import VersionKey
from headrace.domain.image import Claims, ImageRecipe
from headrace.images.claims import claims_of
from headrace.images.oci.checked import Image, labels
from headrace.images.oci.store import Hold, Store
from headrace.images.registry import client, pull
from headrace.images.registry.addresses import allowed
from headrace.images.registry.auth import Credentials
from headrace.images.registry.reference import Reference, parse
from headrace.settings import ImageSettings
from headrace.storage.sealing import Seal

UPLOADING = "Uploading container image"
FETCHED, CHECKED = 80, 99  # percent, when all parts are here, and when they have been looked at
MODEL = "io.headrace.model"  # a label: the model.yaml of a folder from which the image was built


@dataclass(frozen=True, slots=True)
class Brought:
    recipe: ImageRecipe
    claims: Claims
    size: int  # bytes, packed


class Containers:
    def __init__(self, store: Store, upkeep: Upkeep, seal: Seal, settings: ImageSettings) -> None:
        self._store, self.upkeep, self._seal, self._settings = store, upkeep, seal, settings

    def sealed(self, key: VersionKey, credentials: Credentials | None) -> str:
        """Raises Unsupported."""
        if credentials is None:
            return ""
        pair = msgspec.json.encode([credentials.username, credentials.password]).decode()
        return self._seal.seal(pair, str(key))

    @asynccontextmanager
    async def pulled(self, source: ImageSource, progress: Progress) -> AsyncIterator[Brought]:
        """Nothing removes it until the caller is done with it. Raises Invalid and its kin, StorageFailed."""
        reference = parse(source.path)
        async with self._store.bringing() as hold:
            image = await self._pull(reference, self._credentials(source), hold, progress)
            yield _brought(image, str(reference))

    @asynccontextmanager
    async def unpacked(self, source: ImageSource, progress: Progress) -> AsyncIterator[Brought]:
        """The same for an archive that was uploaded."""
        size = source.size
        await self.upkeep.make_room(size)
        async with self._store.bringing() as hold:
            told = Told(progress, 1, UPLOADING, 5, CHECKED)
            take = self._store.take_archive(
                Path(source.path), source.filename, hold, lambda seen: told.report(100 * seen / max(1, size))
            )
            image, name = await told.during(take)
            yield _brought(image, name)

    async def _pull(
        self, reference: Reference, credentials: Credentials | None, hold: Hold, progress: Progress
    ) -> Image:
        rules, authorities = allowed(self._settings), self._settings.ca
        async with client.connected(reference, credentials, rules, authorities) as registry:
            digest, document, manifest = await pull.resolve(registry, reference)
            await self.upkeep.make_room(manifest.size)
            await self._store.hold(hold, digest, manifest)
            come, told = [0], Told(progress, 1, UPLOADING, 5, FETCHED)

            async def report(size: int) -> None:
                come[0] += size
                told.report(100 * come[0] / max(1, manifest.size))

            await told.during(pull.fetch(registry, self._store.blobs, manifest, report))
        await asyncio.to_thread(self._store.blobs.write, document)
        looked = Told(progress, 1, UPLOADING, FETCHED, CHECKED)
        return await looked.during(
            self._store.admit(digest, str(reference), lambda seen: looked.report(100 * seen / max(1, manifest.size)))
        )

    def _credentials(self, source: ImageSource) -> Credentials | None:
        if not source.sealed:
            return None
        pair = msgspec.json.decode(self._seal.open(source.sealed, str(source.key)), type=tuple[str, str])
        return Credentials(*pair)


def _brought(image: Image, name: str) -> Brought:
    text = labels(image).get(MODEL, "")
    try:
        claims = claims_of(text.encode()) if text else Claims()
    except Invalid as error:
        raise Invalid(f"the image's label {MODEL}: {error.message}") from None
    return Brought(ImageRecipe(image.digest, name), claims, image.manifest.size)
