"""A mounted volatile disk, from the outside: started, cut off, given weather, unmounted."""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from headrace.torture.mount import SYNC
from headrace.torture.server import processes, tell

MOUNT_LIMIT = 20.0  # seconds until it is mounted, or unmounted
LOOK = 0.02


def missing() -> str:
    """Why this machine has no volatile disk; "" when it has."""
    if importlib.util.find_spec("mfusepy") is None:
        return "mfusepy is not installed: pip install 'headrace[torture]'"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be opened: no FUSE here"
    if shutil.which("fusermount3") is None and shutil.which("fusermount") is None:
        return "fusermount is not installed: apt-get install fuse3"
    return ""


class PowerDisk:
    """`folder` is the mount point, made here."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder, self._log = folder, log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.folder.mkdir(parents=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "headrace.torture.mount", str(self.folder)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        await self._mounted(wanted=True)

    async def cut(self, share: float, seed: int) -> None:
        """Everybody on it must have ended; whoever has not is ended now."""
        await self._unmount()
        await self._order(do="cut", share=share, seed=seed)
        await self._mounted(wanted=True)

    async def weather(self, **what: Any) -> dict[str, int]:
        return await self._order(do="weather", **what)

    def sync(self) -> None:
        with (self.folder / SYNC).open("wb") as file:
            os.fsync(file.fileno())

    async def stop(self) -> None:
        if self._process is None or self._process.returncode is not None:
            return
        await self._unmount()
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()

    async def _order(self, **what: Any) -> dict[str, int]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the disk was not started")
        process.stdin.write(msgspec.json.encode(what) + b"\n")
        await process.stdin.drain()
        return msgspec.json.decode(await process.stdout.readline(), type=dict[str, int])

    async def _unmount(self) -> None:
        command = shutil.which("fusermount3") or "fusermount"
        async with asyncio.timeout(MOUNT_LIMIT):
            while self.folder.is_mount():
                for process in processes(str(self.folder)):
                    tell(process, signal.SIGKILL)
                done = await asyncio.create_subprocess_exec(
                    command, "-u", str(self.folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                if await done.wait():
                    await asyncio.sleep(LOOK)

    async def _mounted(self, *, wanted: bool) -> None:
        async with asyncio.timeout(MOUNT_LIMIT):
            while self.folder.is_mount() is not wanted:  # noqa: ASYNC110 - only looking tells
                await asyncio.sleep(LOOK)
