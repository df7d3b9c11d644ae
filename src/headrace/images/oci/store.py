"""Our own store of container images: an OCI layout in the data folder. What its index names is whole and checked."""

import asyncio
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from headrace.domain.errors import HeadraceError, NotFound, StorageFailed
from headrace.domain.image import ImageConfig
from headrace.images.archive import Stop, Stopped
from headrace.images.oci import checked, documents, portable, rootfs, tarball
from headrace.images.oci.blobs import STORED, Blobs, stored
from headrace.images.oci.catalogue import Catalogue
from headrace.images.oci.checked import Image
from headrace.images.oci.digest import hex_of
from headrace.images.oci.layer import Budget
from headrace.images.oci.ready import Ready
from headrace.images.oci.room import Room
from headrace.images.threads import stoppable
from headrace.settings import ImageSettings

IMAGES = "images"  # in the data folder
NAME = 24  # digits of the digest in the name that engines are told

T = TypeVar("T")
Report = Callable[[int], None]  # bytes of the packed layers that are done


class Hold:
    """Parts that somebody brings in just now: nothing removes them while this is held."""

    def __init__(self, held: Counter[str]) -> None:
        self._held, self._mine = held, list[str]()

    def keep(self, digests: Iterable[str]) -> None:
        for digest in digests:
            self._held[digest] += 1
            self._mine.append(digest)

    def keep_image(self, digest: str, manifest: documents.Manifest) -> None:
        self.keep([digest, manifest.config.digest, *(layer.digest for layer in manifest.layers)])

    def release(self) -> None:
        self._held.subtract(self._mine)
        self._held += Counter()  # without those that are at zero


class Store:
    """What is under way when the server ends is removed at the next start, parts of downloads excepted."""

    def __init__(self, data: Path, settings: ImageSettings) -> None:
        self._root, self._settings = data.absolute() / IMAGES, settings
        self._scratch = self._root / "tmp"
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True, mode=0o700)
        self.blobs = Blobs(self._root / "blobs", self._root / "partial")
        self._catalogue = Catalogue(self._root, self.blobs)
        self._archives, self._roots = Ready(self._root / "archives"), Ready(self._root / "roots")
        self._room = Room(self.blobs, self._catalogue, self._archives, self._roots)
        self._held: Counter[str] = Counter()
        self._gate = asyncio.Lock()  # what is removed is decided and done at once
        self._making: dict[Path, asyncio.Lock] = {}

    @asynccontextmanager
    async def bringing(self) -> AsyncIterator[Hold]:
        """Hold this until what is brought in is named by a version."""
        hold = Hold(self._held)
        try:
            yield hold
        finally:
            hold.release()

    async def hold(self, hold: Hold, digest: str, manifest: documents.Manifest) -> None:
        """From now on nothing of this image is removed: whatever is seen to be here stays here."""
        async with self._gate:
            hold.keep_image(digest, manifest)

    def image(self, digest: str) -> Image:
        """Raises NotFound, StorageFailed."""
        if digest not in self._catalogue:
            raise NotFound("the container image is no longer stored here: bring it in again")
        return checked.read_image(self.blobs, digest)

    def config(self, digest: str) -> ImageConfig:
        return documents.started_by(self.image(digest).config.config)

    async def admit(self, digest: str, name: str, report: Report) -> Image:
        """All its parts lie in `blobs`: check them, and keep it. Raises Invalid and its kin, StorageFailed."""

        def work(stop: threading.Event) -> Image:
            image = checked.read_image(self.blobs, digest)
            if digest not in self._catalogue:
                checked.check(self.blobs, image, self._settings, stop, report)
                self._catalogue.add(image, name)
            return image

        return await _done(work)

    async def take_archive(self, spool: Path, name: str, hold: Hold, report: Report) -> tuple[Image, str]:
        """An uploaded docker-archive or OCI archive; also what it is called in there, else `name`."""
        async with self._folder() as folder:
            found = await _done(lambda stop: tarball.read(spool, folder, self._settings, stop))
            async with self._gate:
                hold.keep_image(found.digest, found.manifest)
                await asyncio.to_thread(found.move_into, self.blobs)
        return await self.admit(found.digest, found.name or name, report), found.name or name

    async def archive(self, digest: str) -> Path:
        """A tar that every engine loads. It may be removed when it was not asked for in a while. Raises NotFound."""
        image = self.image(digest)

        def work(folder: Path, stop: Stop) -> tuple[Path, int]:
            path = folder / "new"
            with path.open("xb") as out:
                portable.write_tar(image, self.blobs.path, engine_name(digest), out, stop)
            return path, path.stat().st_size

        return await self._made(self._archives, f"{hex_of(digest)}.tar", work)

    async def rootfs(self, digest: str) -> tuple[Path, ImageConfig]:
        """Its layers as one folder, to be read only, and how it wants to be started. Raises NotFound, Invalid."""
        image = self.image(digest)

        def work(folder: Path, stop: Stop) -> tuple[Path, int]:
            root = folder / "new"
            root.mkdir(mode=0o755)
            layers = [(self.blobs.path(layer.digest), diff_id) for layer, diff_id in image.layers]
            budget = Budget(self._settings.unpacked, self._settings.entries)
            rootfs.unpack_layers(layers, root, budget, stop)
            return root, self._settings.unpacked - budget.size

        path = await self._made(self._roots, hex_of(digest), work)
        return path, documents.started_by(image.config.config)

    async def make_room(self, named: set[str], live: set[str], more: int = 0) -> bool:
        """Remove what nobody needs. Returns whether the rest and `more` bytes are within the budget.

        Images in `named` stay whatever it takes, and what was made of those in `live` as well.
        """
        budget = self._settings.budget - more
        async with self._gate:
            held = set(self._held)
            return await asyncio.to_thread(self._room.make, named, live, held, budget) <= budget

    def oldest_first(self, digests: Iterable[str]) -> list[str]:
        """Those of them that are here, by when they were brought in."""
        added = self._catalogue.digests()
        return sorted(set(digests) & set(added), key=lambda digest: added[digest])

    async def _made(self, ready: Ready, name: str, work: Callable[[Path, Stop], tuple[Path, int]]) -> Path:
        async with self._making.setdefault(ready.path(name), asyncio.Lock()):
            if (found := await asyncio.to_thread(ready.find, name)) is not None:
                return found
            async with self._folder() as folder:
                made, size = await _done(lambda stop: work(folder, stop))
                with stored():
                    return await asyncio.to_thread(ready.finished, made, name, size)

    @asynccontextmanager
    async def _folder(self) -> AsyncIterator[Path]:
        with stored():
            folder = await asyncio.to_thread(_new_folder, self._scratch)
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def engine_name(digest: str) -> str:
    """What an engine calls the image once it is loaded."""
    return f"headrace/{hex_of(digest)[:NAME]}:latest"


def _new_folder(scratch: Path) -> Path:
    folder = scratch / secrets.token_hex(8)
    folder.mkdir(mode=0o700)
    return folder


async def _done(work: Callable[[threading.Event], T]) -> T:
    try:
        return await stoppable(work)
    except HeadraceError:
        raise
    except OSError as error:
        raise StorageFailed(f"{STORED}: {error.strerror or error}", technical=str(error)) from error
    except Stopped as error:
        raise StorageFailed("bringing the image in was stopped") from error
