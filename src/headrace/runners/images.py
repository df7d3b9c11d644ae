"""How this machine runs images: in containers of an engine, else their root file systems in the sandbox, else not."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from headrace.domain.errors import Unsupported
from headrace.domain.replica import ImageLaunch, Isolation
from headrace.runners.choose import sandbox_fault
from headrace.runners.containers.find import find
from headrace.runners.containers.runner import ContainerRunner
from headrace.runners.rootfs import RootfsRunner
from headrace.runners.runner import ImageRunner, ImageStore, Running
from headrace.settings import RunnerSettings


class Images:
    """Decided when the first image is to run; anew while neither way is open: somebody may install what is missing."""

    def __init__(self, settings: RunnerSettings, data: Path, store: ImageStore) -> None:
        self._containers = ContainerRunner(settings, data, store)
        self._rootfs = RootfsRunner(settings, data, store)
        self._chosen: ImageRunner | None = None
        self._choosing = asyncio.Lock()

    @property
    def isolation(self) -> Isolation:
        return Isolation.CONTAINER if self._chosen is None else self._chosen.isolation

    async def prepare(self, digest: str, report: Callable[[int], None]) -> None:
        await (await self._way()).prepare(digest, report)

    async def start(self, launch: ImageLaunch) -> Running:
        """Raises Unsupported: the sentence says what to install."""
        return await (await self._way()).start(launch)

    async def _way(self) -> ImageRunner:
        async with self._choosing:
            if self._chosen is None:
                self._chosen = await self._choose()
            return self._chosen

    async def _choose(self) -> ImageRunner:
        try:
            await self._containers.open()
        except Unsupported as error:
            fault = await asyncio.to_thread(self._rootfs.fault)
            if fault is None:
                return self._rootfs
            raise Unsupported(f"images cannot be run here: {error.message}; and without an engine: {fault}") from None
        return self._containers

    async def recover(self) -> None:
        """A loop of the server that ends at once: what an earlier server left running is removed."""
        await self._containers.recover()

    async def close(self) -> None:
        await self._containers.close()


async def describe(settings: RunnerSettings) -> tuple[bool, str]:
    """Whether there is an engine for images, and a sentence for the doctor."""
    with tempfile.TemporaryDirectory(prefix="headrace-doctor-") as folder:
        try:
            found = await find(settings.engine, Path(folder))
        except Unsupported as error:
            fault = "runners.sandbox is off" if settings.sandbox == "off" else await asyncio.to_thread(sandbox_fault)
            if fault is None:
                return False, f"{error.message}. Images run from their root file systems, in the sandbox"
            return False, f"images cannot be run: {error.message}; and without an engine: {fault}"
        try:
            gpu = "; GPU units are refused" if found.engine.name == "podman" else ""
            return True, f"images run as containers of {found.engine}: no network, read-only, no capabilities{gpu}"
        finally:
            await found.close()
