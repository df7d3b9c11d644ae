"""Model folders on their way in: shelved by content, read for what they say of themselves, given an environment."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from headrace import faults
from headrace.deployment.rows import ImageSource, SourceForm
from headrace.deployment.steps import Progress
from headrace.deployment.told import Told
from headrace.domain.image import Claims, FolderRecipe
from headrace.images.folder import read_claims, read_nature
from headrace.images.shelf import Shelf
from headrace.runners.environments import Environments
from headrace.runners.needs import Besides

PREPARING = "Preparing the environment"
UNPACKED = 45  # percent, when the archive is unpacked
PREPARED = 95  # percent, when the environment is made


@dataclass(frozen=True, slots=True)
class BroughtFolder:
    recipe: FolderRecipe
    claims: Claims
    size: int  # bytes, unpacked


class Folders:
    def __init__(self, shelf: Shelf, environments: Environments, data: Path) -> None:
        self._shelf, self._environments, self._data = shelf, environments, data.absolute()

    async def bring_in(self, source: ImageSource, progress: Progress) -> BroughtFolder:
        """Raises Invalid and its kin, IsImage for an archive that holds a container image, StorageFailed."""
        folder, size = await self._shelved(source)
        faults.point("import.shelved")
        claims, entry, variables = await asyncio.to_thread(read_claims, self._data / folder)
        nature = await asyncio.to_thread(read_nature, self._data / folder, entry)
        told = Told(progress, 2, PREPARING, UNPACKED, PREPARED)
        besides = Besides(nature.requirements, nature.beside)
        python = await told.during(self._environments.prepare(self._data / folder, told.report, besides))
        faults.point("import.prepared")
        recipe = FolderRecipe(folder, _below(self._data, python), entry, tuple(variables), nature.tensors)
        return BroughtFolder(recipe, claims, size)

    async def _shelved(self, source: ImageSource) -> tuple[str, int]:
        if source.form is SourceForm.ARCHIVE:
            return await self._shelf.shelve_archive(Path(source.path))
        return await self._shelf.shelve_folder(source.path)


def _below(folder: Path, path: Path) -> str:
    """Links are not followed: an environment's interpreter is one."""
    return os.path.relpath(path, folder)
