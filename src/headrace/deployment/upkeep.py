"""What was brought in and is needed no more goes: folders of deleted models, images, and what was made of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from headrace.catalog.versions import Versions
from headrace.deployment.artefacts import Artefacts
from headrace.domain.clock import Millis, now
from headrace.domain.errors import Conflict, TooLarge
from headrace.domain.image import FolderRecipe, ImageRecipe
from headrace.domain.version import Step, Version, VersionStatus
from headrace.images.oci.store import Store
from headrace.images.shelf import Shelf

HOUR: Millis = 3_600_000
DRAFT: Millis = 24 * HOUR  # a draft that nobody has touched for so long waits for nothing
DRAINED: Millis = HOUR  # a version that was switched off so long ago runs nowhere any more


@dataclass(frozen=True, slots=True)
class Needs:
    """Digests of images. `spare` are those that a version names which does not run, and is not being deployed."""

    live: frozenset[str]
    spare: frozenset[str]


class Upkeep:
    def __init__(self, versions: Versions, shelf: Shelf, store: Store, artefacts: Artefacts | None = None) -> None:
        self._versions, self._shelf, self._store, self._artefacts = versions, shelf, store, artefacts

    async def keep(self, recipe: FolderRecipe | ImageRecipe) -> None:
        """What was brought in just now: for the other servers too. Raises StorageFailed."""
        if self._artefacts is not None:
            await self._artefacts.keep(recipe)

    async def folder_of(self, recipe: FolderRecipe) -> Path:
        """On this machine, and only to be read. Raises ModelFailed when it is nowhere, StorageFailed."""
        folder = self._shelf.data.absolute() / recipe.folder
        if self._artefacts is not None:
            await self._artefacts.have_folder(folder)
        return folder

    async def tidy_folders(self) -> None:
        """Not while a folder is being brought in: no version names it yet."""
        versions = await self._versions.everything()
        kept = [version.recipe for version in versions if version.status is not VersionStatus.DELETED]
        await self._shelf.remove_unused(recipe.folder for recipe in kept if isinstance(recipe, FolderRecipe))
        if self._artefacts is not None:
            await self._artefacts.tidy(recipe for recipe in kept if recipe is not None)

    async def make_room(self, more: int) -> None:
        """For an image of `more` bytes. Raises TooLarge when the budget does not allow it, StorageFailed."""
        if not await self.tidy_images(more):
            raise TooLarge(
                f"the image has {more} bytes, for which the store of images has no room (images.budget), although all "
                "that no active version needs was removed"
            )

    async def tidy_images(self, more: int = 0) -> bool:
        """Whether the budget is kept now, with `more` bytes to come. Raises StorageFailed."""
        versions = await self._versions.everything()
        found = needs(versions, now())
        named = set(found.live | found.spare)
        fits = await self._store.make_room(named, set(found.live), more)
        for digest in self._store.oldest_first(found.spare):
            if fits:
                return True
            if await self._forgotten(digest, versions):
                named.discard(digest)
                fits = await self._store.make_room(named, set(found.live), more)
        return fits

    async def _forgotten(self, digest: str, versions: Iterable[Version]) -> bool:
        """Its versions say that it is gone before it goes. False when one of them is wanted again meanwhile."""
        for version in versions:
            if isinstance(version.recipe, ImageRecipe) and version.recipe.digest == digest:
                try:
                    await self._versions.change(version.key, _without_image, now())
                except Conflict:
                    return False
        return True


def needs(versions: Iterable[Version], at: Millis) -> Needs:
    live: set[str] = set()
    spare: set[str] = set()
    for version in versions:
        if not isinstance(version.recipe, ImageRecipe) or version.status is VersionStatus.DELETED:
            continue
        (spare if _is_spare(version, at) else live).add(version.recipe.digest)
    return Needs(frozenset(live), frozenset(spare - live))


def _is_spare(version: Version, at: Millis) -> bool:
    match version.status:
        case VersionStatus.ACTIVE:
            return False
        case VersionStatus.PARTIAL:
            return version.updated < at - DRAFT
        case _:
            return version.updated < at - DRAINED


def _without_image(version: Version) -> Version:
    """It can be brought in again, if it is the same. Raises Conflict."""
    if version.status is VersionStatus.ACTIVE:
        raise Conflict(f"version {version.key} is active")
    return replace(version, recipe=None, image_step=Step())
