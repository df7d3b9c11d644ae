"""The shelf: every model folder that was brought in, kept once under the digest of what is in it."""

import asyncio
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from headrace import faults
from headrace.domain.errors import StorageFailed
from headrace.images.archive import Stopped, unpack
from headrace.images.folder import copy_in
from headrace.images.threads import stoppable
from headrace.images.tree import Tree
from headrace.settings import ImageSettings

SHELF = "models"  # in the data folder

Fill = Callable[[Path, threading.Event], Tree]


class Shelf:
    """What is under way has a name that begins with a dot; such left-overs are removed at the next start."""

    def __init__(self, data: Path, settings: ImageSettings) -> None:
        self.data, self._settings = data, settings
        self._root = data / SHELF
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left_over in self._root.glob(".*"):
            shutil.rmtree(left_over, ignore_errors=True)

    async def shelve_archive(self, spool: Path) -> tuple[str, int]:
        """The folder relative to the data folder, and its size in bytes. Raises Invalid and its kin, StorageFailed."""
        return await self._shelve(lambda target, stop: unpack(spool, target, self._settings, stop))

    async def shelve_folder(self, path: str) -> tuple[str, int]:
        """The same for a folder of this server. Raises Forbidden and NotFound too."""
        return await self._shelve(lambda target, stop: copy_in(path, target, self._settings, stop))

    async def remove_unused(self, used: Iterable[str]) -> None:
        """`used`: folders as the other calls return them."""
        await asyncio.to_thread(self._remove_all_but, {Path(folder).name for folder in used})

    async def _shelve(self, fill: Fill) -> tuple[str, int]:
        """A caller who stops waiting stops the work as well."""
        return await stoppable(lambda stop: self._fill(fill, stop))

    def _fill(self, fill: Fill, stop: threading.Event) -> tuple[str, int]:
        scratch = self._root / f".{secrets.token_hex(8)}"
        try:
            scratch.mkdir(mode=0o700)
            tree = fill(scratch / "new", stop)
            target = self._root / tree.settle()
            faults.point("shelf.filled")
            if not target.exists():
                os.sync()  # all files at once; one fsync for each would take minutes for a large folder
                faults.synced()
                faults.point("shelf.rename.before")
                (scratch / "new").rename(target)
                faults.point("shelf.rename.after")
            os.sync()  # also when it is there: it may have got its name just before a crash, and not on disk
            faults.synced()
        except OSError as error:
            raise StorageFailed(
                f"the model could not be stored: {error.strerror or error}", technical=str(error)
            ) from error
        except Stopped as error:
            raise StorageFailed("bringing the model in was stopped") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return f"{SHELF}/{target.name}", tree.size

    def _remove_all_but(self, names: set[str]) -> None:
        for folder in self._root.iterdir():
            if folder.name not in names and not folder.name.startswith("."):
                shutil.rmtree(folder, ignore_errors=True)
