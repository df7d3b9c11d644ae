"""Bringing an image in: a model folder or a container image, from wherever; how it runs is noted in the version."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from headrace import faults
from headrace.catalog.models import Models
from headrace.catalog.versions import Versions
from headrace.deployment import rows
from headrace.deployment.archives import GONE, Archives
from headrace.deployment.claims import prefill
from headrace.deployment.containers import UPLOADING, Brought, Containers
from headrace.deployment.folders import PREPARING, BroughtFolder, Folders
from headrace.deployment.rows import ImageSource, SourceForm
from headrace.deployment.steps import Progress, StepKind, fail
from headrace.deployment.upkeep import Upkeep
from headrace.domain.clock import now
from headrace.domain.errors import Conflict, HeadraceError, Invalid, NotReady, StorageFailed
from headrace.domain.ids import VersionKey
from headrace.domain.image import ContainerImage, ImageRecipe
from headrace.domain.version import Step, StepState, Version, VersionStatus
from headrace.images.archive import IsImage
from headrace.images.registry.auth import Credentials
from headrace.images.registry.reference import Reference, parse
from headrace.storage.database import Database


class ImportImage:
    def __init__(
        self,
        database: Database,
        models: Models,
        versions: Versions,
        archives: Archives,
        folders: Folders,
        containers: Containers,
    ) -> None:
        self._database, self._models, self._versions = database, models, versions
        self._archives, self._folders, self._containers = archives, folders, containers

    @property
    def upkeep(self) -> Upkeep:
        return self._containers.upkeep

    async def take_archive(self, key: VersionKey, spool: Path, filename: str, size: int) -> Version:
        """The uploaded file becomes ours, durably, before this returns. Raises Conflict, NotFound, StorageFailed."""
        _check_open(await self._versions.get(key))
        return await self._take(await self._archives.keep(key, spool, filename, size))

    async def take_folder(self, key: VersionKey, path: str) -> Version:
        """A folder on this server, below one that the operator allowed: the shelf checks that."""
        _check_open(await self._versions.get(key))
        return await self._take(ImageSource(key, SourceForm.FOLDER, path, Path(path).name, 0))

    async def take_image(self, key: VersionKey, reference: Reference, credentials: Credentials | None) -> Version:
        """A container image in a registry. Its credentials are kept, sealed, until it is here. Raises Unsupported."""
        _check_open(await self._versions.get(key))
        sealed = self._containers.sealed(key, credentials)
        return await self._take(ImageSource(key, SourceForm.REGISTRY, str(reference), str(reference), 0, sealed))

    async def _take(self, source: ImageSource) -> Version:
        before = await self._database.write(lambda tx: rows.put(tx, source))
        faults.point("import.noted")
        if before is not None and before.uploaded:
            await self._archives.drop(before)
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
        faults.point("import.ended")
        await self._database.write(lambda tx: rows.remove(tx, key))
        faults.point("import.forgotten")
        if source is not None and source.uploaded:
            await self._archives.drop(source)

    async def _bring_in(self, key: VersionKey, source: ImageSource | None, progress: Progress) -> None:
        if source is None:
            raise NotReady(GONE)
        await progress.tell(1, UPLOADING, 5)
        if source.form is SourceForm.REGISTRY:
            async with self._containers.pulled(source, progress) as image:
                return await self._note(key, image, image.size, progress)
        if not source.uploaded:
            return await self._unpack(key, source, progress)
        async with self._archives.here(source) as archive:
            return await self._unpack(key, archive, progress)

    async def _unpack(self, key: VersionKey, source: ImageSource, progress: Progress) -> None:
        try:
            folder = await self._folders.bring_in(source, progress)
        except IsImage:
            async with self._containers.unpacked(source, progress) as image:
                return await self._note(key, image, source.size, progress)
        return await self._note(key, folder, source.size or folder.size, progress)

    async def _note(self, key: VersionKey, brought: Brought | BroughtFolder, size: int, progress: Progress) -> None:
        await self.upkeep.keep(brought.recipe)
        await progress.end(lambda version: _brought_in(version, brought, size))
        if brought.claims.summary:
            await self._describe(key, brought.claims.summary)

    async def _describe(self, key: VersionKey, summary: str) -> None:
        model = await self._models.get(key.model)
        if not model.description:
            await self._models.change(key.model, lambda one: replace(one, description=summary), now())

    async def sweep(self) -> None:
        """At the start: forget what no version waits for any more, credentials among it, and remove such archives."""
        with suppress(StorageFailed):  # what is left over is removed at a later start
            waiting = {version.key for version in await self._versions.unfinished()}
            await self._database.write(lambda tx: rows.remove_all_but(tx, waiting))
            await self._archives.sweep(await self._database.read(rows.paths))


def _check_open(version: Version) -> None:
    if version.status is not VersionStatus.PARTIAL and not _gone(version):
        raise Conflict(
            f"version {version.key} is {version.status}: its image stays as it is. Make a new version instead"
        )
    if version.image_step.state in {StepState.WAITING, StepState.RUNNING}:
        raise Conflict(f"an image of version {version.key} is being brought in already")


def _gone(version: Version) -> bool:
    """Published once, and its container image was removed to make room: the same may be brought in again."""
    return version.status is VersionStatus.INACTIVE and version.recipe is None and bool(version.image.digest)


def _asked(version: Version, source: ImageSource) -> Version:
    """A new image makes what was tested before worthless."""
    _check_open(version)
    waiting = Step(StepState.WAITING, 1, UPLOADING, 0)
    if version.status is not VersionStatus.PARTIAL:
        return replace(version, image_step=waiting)
    image = ContainerImage(repository_name=version.image.repository_name, size=source.size)
    if source.form is SourceForm.REGISTRY:
        image = _of_reference(parse(source.path))
    fresh = replace(version, image=image, image_step=waiting, load=Step(), run=Step())
    return replace(fresh, run_result=None, recipe=None, tensors=None)


def _of_reference(reference: Reference) -> ContainerImage:
    return ContainerImage(
        registry_host=reference.host,
        repository_namespace=reference.namespace,
        repository_name=reference.name,
        image_prefix="/".join(part for part in (reference.host, reference.namespace) if part),
    )


def _brought_in(version: Version, brought: Brought | BroughtFolder, size: int) -> Version:
    recipe = brought.recipe
    digest = recipe.digest if isinstance(recipe, ImageRecipe) else ""
    if version.status is not VersionStatus.PARTIAL and digest != version.image.digest:
        raise Invalid(
            f"version {version.key} was published with the image {version.image.digest}, and this one is {digest}: "
            "make a new version of it"
        )
    image = replace(version.image, upload_status="COMPLETED", upload_percentage=100, size=size, digest=digest)
    done = Step(StepState.DONE, 1, UPLOADING, 100) if digest else Step(StepState.DONE, 2, PREPARING, 100)
    return replace(prefill(version, brought.claims), image=image, image_step=done, recipe=recipe)


def _failed(version: Version, error: str) -> Version:
    return replace(fail(version, StepKind.IMAGE, error), image=replace(version.image, upload_status="FAILED"))
