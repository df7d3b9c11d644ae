"""What one server brought in, another can run: packed into a body when it is imported, unpacked where it is missing.

An environment that is missing is made again from the model folder; so a restored or moved data folder needs none.
"""

import asyncio
import secrets
import tarfile
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path, PurePath

from headrace.deployment import artefact_rows
from headrace.domain.body import PIECE, BlobRef, BodyStore
from headrace.domain.clock import HOUR, now
from headrace.domain.errors import ModelFailed, NotFound
from headrace.domain.image import FolderRecipe, ImageRecipe
from headrace.domain.replica import ImageLaunch, Isolation, Launch
from headrace.images.folder import read_nature
from headrace.images.oci.store import Store
from headrace.images.shelf import Shelf
from headrace.runners.environments import Environments
from headrace.runners.needs import Besides
from headrace.runners.runner import ImageRunner, Runner, Running
from headrace.storage.database import Database
from headrace.storage.disk import disk

LARGEST = 1 << 42  # bytes; what was let in may be kept
PACKED = "what was brought in could not be packed for the other servers"


class Artefacts:
    """`shared`: other servers need what this one brings in."""

    def __init__(self, database: Database, bodies: BodyStore, shelf: Shelf, store: Store, *, shared: bool) -> None:
        self._database, self._bodies, self._shelf, self._store = database, bodies, shelf, store
        self._data, self._shared = shelf.data.absolute(), shared
        self._scratch = self._data / "spool" / "artefacts"
        self._getting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def keep(self, recipe: FolderRecipe | ImageRecipe) -> None:
        """Before its version says that it is here. Raises StorageFailed."""
        name = name_of(recipe)
        if not self._shared or await self._database.read(lambda tx: artefact_rows.find(tx, name)) is not None:
            return
        if isinstance(recipe, ImageRecipe):
            body = await self._bodies.put(_pieces(await self._store.archive(recipe.digest)), LARGEST)
        else:
            body = await self._packed(self._data / recipe.folder)
        await self._database.write(lambda tx: artefact_rows.put(tx, name, body, now()))

    async def tidy(self, recipes: Iterable[FolderRecipe | ImageRecipe]) -> None:
        """Forget what no recipe names; the sweep of bodies removes it a day later."""
        names = {name_of(recipe) for recipe in recipes}
        await self._database.write(lambda tx: artefact_rows.remove_all_but(tx, names, now() - 24 * HOUR))

    async def have_folder(self, folder: Path) -> None:
        """Raises ModelFailed when it is neither here nor kept, StorageFailed."""
        name = str(PurePath(folder).relative_to(self._data))
        async with self._getting[name]:
            if not await asyncio.to_thread(folder.is_dir):
                await self._got(name, self._unpack_folder)

    async def have_image(self, digest: str) -> None:
        """The same for a container image."""
        async with self._getting[digest]:
            try:
                self._store.config(digest)
            except NotFound:
                await self._got(digest, self._unpack_image)

    async def _got(self, name: str, unpack: Callable[[Path], Awaitable[None]]) -> None:
        body = await self._database.read(lambda tx: artefact_rows.find(tx, name))
        if body is None:
            raise ModelFailed("this server does not have what this version runs, and no other server has kept it")
        path = self._scratch / secrets.token_hex(8)
        try:
            with disk(PACKED):
                await asyncio.to_thread(_make_folder, self._scratch)
                with await asyncio.to_thread(path.open, "xb") as file:
                    async for piece in self._bodies.pieces(body):
                        await asyncio.to_thread(file.write, piece)
            await unpack(path)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _unpack_folder(self, path: Path) -> None:
        await self._shelf.shelve_archive(path)

    async def _unpack_image(self, path: Path) -> None:
        async with self._store.bringing() as hold:
            await self._store.take_archive(path, path.name, hold, lambda _: None)

    async def _packed(self, folder: Path) -> BlobRef:
        path = self._scratch / secrets.token_hex(8)
        try:
            with disk(PACKED):
                await asyncio.to_thread(_pack, folder, path)
            return await self._bodies.put(_pieces(path), LARGEST)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)


class FoldersOnDemand:
    """A runner whose launches have their folder and their environment on this machine before they begin."""

    def __init__(self, runner: Runner, artefacts: Artefacts, environments: Environments) -> None:
        self._runner, self._artefacts, self._environments = runner, artefacts, environments

    @property
    def isolation(self) -> Isolation:
        return self._runner.isolation

    async def start(self, launch: Launch) -> Running:
        folder, python = Path(launch.folder), Path(launch.python)
        await self._artefacts.have_folder(folder)
        if not await asyncio.to_thread(python.exists):
            nature = await asyncio.to_thread(read_nature, folder, launch.entry)
            besides = Besides(nature.requirements, nature.beside)
            python = await self._environments.prepare(folder, lambda _: None, besides)
        return await self._runner.start(replace(launch, python=str(python)))


class ImagesOnDemand:
    """The same for container images."""

    def __init__(self, runner: ImageRunner, artefacts: Artefacts) -> None:
        self._runner, self._artefacts = runner, artefacts

    @property
    def isolation(self) -> Isolation:
        return self._runner.isolation

    async def prepare(self, digest: str, report: Callable[[int], None]) -> None:
        await self._artefacts.have_image(digest)
        await self._runner.prepare(digest, report)

    async def start(self, launch: ImageLaunch) -> Running:
        await self._artefacts.have_image(launch.digest)
        return await self._runner.start(launch)


def name_of(recipe: FolderRecipe | ImageRecipe) -> str:
    return recipe.digest if isinstance(recipe, ImageRecipe) else recipe.folder


def _pack(folder: Path, path: Path) -> None:
    _make_folder(path.parent)
    with tarfile.open(path, "x", format=tarfile.PAX_FORMAT) as archive:
        for one in sorted(folder.iterdir()):
            archive.add(one, one.name)


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece
