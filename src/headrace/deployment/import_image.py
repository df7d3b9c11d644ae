"""Bringing an image in: unpack it, read what it says of itself, make its environment, note its recipe."""

import asyncio
import os
import secrets
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from headrace.catalog.models import Models
from headrace.catalog.versions import Versions
from headrace.deployment import rows
from headrace.deployment.claims import prefill
from headrace.deployment.rows import ImageSource, SourceForm
from headrace.deployment.steps import Progress, StepKind, fail
from headrace.domain.clock import now
from headrace.domain.errors import Conflict, HeadraceError, NotReady, StorageFailed
from headrace.domain.ids import VersionKey
from headrace.domain.image import Claims, ContainerImage, FolderRecipe
from headrace.domain.version import Step, StepState, Version, VersionStatus
from headrace.fleet.first import first
from headrace.images.folder import read_claims, read_nature
from headrace.images.shelf import Shelf
from headrace.runners.environments import Environments
from headrace.runners.needs import Besides
from headrace.storage.database import Database
from headrace.storage.disk import sync_folder

UPLOADING, PREPARING = "Uploading container image", "Preparing the environment"
UNPACKED = 45  # percent, when the archive is unpacked
PREPARED = 95  # percent, when the environment is made


class ImportImage:
    def __init__(
        self,
        database: Database,
        models: Models,
        versions: Versions,
        shelf: Shelf,
        environments: Environments,
        data: Path,
    ) -> None:
        self._database, self._models, self._versions = database, models, versions
        self._shelf, self._environments, self._data = shelf, environments, data.absolute()
        self._imports = self._data / "imports"

    async def take_archive(self, key: VersionKey, spool: Path, filename: str, size: int) -> Version:
        """The uploaded file becomes ours, durably, before this returns. Raises Conflict, NotFound, StorageFailed."""
        _check_open(await self._versions.get(key))
        kept = self._imports / secrets.token_hex(8)
        try:
            await asyncio.to_thread(_keep, spool, kept)
        except OSError as error:
            raise StorageFailed(f"the archive could not be stored: {error.strerror}", technical=str(error)) from error
        return await self._take(ImageSource(key, SourceForm.ARCHIVE, str(kept), filename, size))

    async def take_folder(self, key: VersionKey, path: str) -> Version:
        """A folder on this server, below one that the operator allowed: the shelf checks that."""
        _check_open(await self._versions.get(key))
        return await self._take(ImageSource(key, SourceForm.FOLDER, path, Path(path).name, 0))

    async def _take(self, source: ImageSource) -> Version:
        before = await self._database.write(lambda tx: rows.put(tx, source))
        if before is not None and before.form is SourceForm.ARCHIVE:
            await asyncio.to_thread(Path(before.path).unlink, missing_ok=True)
        return await self._versions.change(source.key, lambda version: _asked(version, source), now())

    async def work(self, key: VersionKey) -> None:
        """Raises StorageFailed when the database does not take the end; any other end is written into the version."""
        source = await self._database.read(lambda tx: rows.get(tx, key))
        progress = Progress(self._versions, StepKind.IMAGE, key)
        try:
            await self._bring_in(key, source, progress)
        except HeadraceError as error:
            sentence = error.message
            await progress.end(lambda version: _failed(version, sentence))
        await self._database.write(lambda tx: rows.remove(tx, key))
        if source is not None and source.form is SourceForm.ARCHIVE:
            await asyncio.to_thread(Path(source.path).unlink, missing_ok=True)

    async def _bring_in(self, key: VersionKey, source: ImageSource | None, progress: Progress) -> None:
        if source is None:
            raise NotReady("what was uploaded is no longer here: send it again")
        await progress.tell(1, UPLOADING, 5)
        folder, size = await self._shelved(source)
        claims, entry, variables = await asyncio.to_thread(read_claims, self._data / folder)
        nature = await asyncio.to_thread(read_nature, self._data / folder, entry)
        await progress.tell(2, PREPARING, UNPACKED)
        python = await self._prepared(folder, Besides(nature.requirements, nature.beside), progress)
        recipe = FolderRecipe(folder, python, entry, tuple(variables), nature.tensors)
        await progress.end(lambda version: _brought_in(version, recipe, claims, source.size or size))
        if claims.summary:
            await self._describe(key, claims.summary)

    async def _shelved(self, source: ImageSource) -> tuple[str, int]:
        if source.form is SourceForm.ARCHIVE:
            return await self._shelf.shelve_archive(Path(source.path))
        return await self._shelf.shelve_folder(source.path)

    async def _prepared(self, folder: str, besides: Besides, progress: Progress) -> str:
        """The path of the interpreter below the data folder."""
        loop = asyncio.get_running_loop()
        news, latest = asyncio.Event(), [0]

        def report(percentage: int) -> None:
            """From any thread, 0..100."""
            latest[0] = max(0, min(100, percentage))
            loop.call_soon_threadsafe(news.set)

        async def follow() -> None:
            while True:
                await news.wait()
                news.clear()
                await progress.tell(2, PREPARING, UNPACKED + latest[0] * (PREPARED - UNPACKED) // 100)

        _, python = await first(self._environments.prepare(self._data / folder, report, besides), follow())
        return _below(self._data, python)

    async def _describe(self, key: VersionKey, summary: str) -> None:
        model = await self._models.get(key.model)
        if not model.description:
            await self._models.change(key.model, lambda one: replace(one, description=summary), now())

    async def sweep(self) -> None:
        """At the start: remove archives that no version waits for."""
        with suppress(StorageFailed):  # what is left over is removed at a later start
            wanted = await self._database.read(rows.paths)
            await asyncio.to_thread(_remove_all_but, self._imports, wanted)


def _check_open(version: Version) -> None:
    if version.status is not VersionStatus.PARTIAL:
        raise Conflict(
            f"version {version.key} is {version.status}: its image stays as it is. Make a new version instead"
        )
    if version.image_step.state in {StepState.WAITING, StepState.RUNNING}:
        raise Conflict(f"an image of version {version.key} is being brought in already")


def _asked(version: Version, source: ImageSource) -> Version:
    """A new image makes what was tested before worthless."""
    _check_open(version)
    image = ContainerImage(repository_name=version.image.repository_name, size=source.size)
    waiting = Step(StepState.WAITING, 1, UPLOADING, 0)
    fresh = replace(version, image=image, image_step=waiting, load=Step(), run=Step())
    return replace(fresh, run_result=None, recipe=None, tensors=None)


def _brought_in(version: Version, recipe: FolderRecipe, claims: Claims, size: int) -> Version:
    image = replace(version.image, upload_status="COMPLETED", upload_percentage=100, size=size)
    done = Step(StepState.DONE, 2, PREPARING, 100)
    return replace(prefill(version, claims), image=image, image_step=done, recipe=recipe)


def _failed(version: Version, error: str) -> Version:
    return replace(fail(version, StepKind.IMAGE, error), image=replace(version.image, upload_status="FAILED"))


def _below(folder: Path, path: Path) -> str:
    """Links are not followed: an environment's interpreter is one."""
    return os.path.relpath(path, folder)


def _keep(spool: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(spool, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    spool.rename(kept)
    sync_folder(kept.parent)


def _remove_all_but(folder: Path, wanted: set[str]) -> None:
    for path in folder.glob("*"):
        if str(path) not in wanted:
            path.unlink(missing_ok=True)
