"""Images without an engine: the image's program in its own root file system, in the sandbox of model folders."""

import json
import os
import re
import secrets
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headrace.domain.errors import ModelFailed, Unsupported
from headrace.domain.image import Contract, ImageConfig
from headrace.domain.reach import Reach, Shared
from headrace.domain.replica import ImageLaunch, Isolation
from headrace.runners import seccomp
from headrace.runners.choose import sandbox_fault
from headrace.runners.dial import dial
from headrace.runners.guard import Guard
from headrace.runners.image_start import SHARED, candidate_ports, variables
from headrace.runners.limits import Limits, limits_of, tree
from headrace.runners.log import Log, sweep
from headrace.runners.rootfs_sandbox import Root, furnish, sandboxed
from headrace.runners.runner import Ending, ImageStore
from headrace.runners.sandbox import find_bubblewrap
from headrace.runners.watch import Start
from headrace.settings import RunnerSettings

LAUNCHER = Path(__file__).parent / "harness" / "launcher.py"
ODD = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class Way:
    """How the model is reached: Reach, for a sandbox."""

    guard: Guard
    config: ImageConfig
    contract: Contract | None
    ports: tuple[int, ...]
    shared: Shared

    async def connect(self, port: int) -> socket.socket:
        return await dial(self.inside(), port)

    def inside(self) -> int:
        """A process in the sandbox: bubblewrap's own first one is outside. Raises OSError."""
        ours = Path("/proc/self/ns/net").readlink()
        for pid in tree(self.guard.pid)[1:]:
            if Path(f"/proc/{pid}/ns/net").readlink() != ours:
                return pid
        raise ConnectionRefusedError("the sandbox is not there yet")


@dataclass(frozen=True, slots=True)
class Replica:
    """Running, for an image in the sandbox. Its guard does the work."""

    name: str
    log: Path
    guard: Guard
    way: Way

    @property
    def connection(self) -> Reach:
        return self.way

    async def ended(self) -> Ending:
        return await self.guard.ended()

    async def stop(self, grace: float) -> Ending:
        return await self.guard.stop(grace)


class RootfsRunner:
    def __init__(self, settings: RunnerSettings, data: Path, store: ImageStore) -> None:
        self._settings, self._data, self._store = settings, data.absolute(), store
        self._folders, self._logs = self._data / "sandboxes", self._data / "logs"
        shutil.rmtree(self._folders, ignore_errors=True)
        self._started = 0

    @property
    def isolation(self) -> Isolation:
        return Isolation.SANDBOX

    def fault(self) -> str | None:
        """Why images cannot be run this way, or None when they can. Blocking: it is tried."""
        if self._settings.sandbox == "off":
            return "runners.sandbox is off"
        return sandbox_fault()

    async def prepare(self, digest: str, report: Callable[[int], None]) -> None:
        await self._store.rootfs(digest)
        report(100)

    async def start(self, launch: ImageLaunch) -> Replica:
        """Raises Unsupported, ModelFailed when the image names no program."""
        bubblewrap = find_bubblewrap()
        if bubblewrap is None or launch.hardware.gpu_units:
            raise Unsupported("images without a container engine have no GPU" if bubblewrap else "no bubblewrap")
        files, config = await self._store.rootfs(launch.digest)
        if not (config.entrypoint or config.command):
            raise ModelFailed("the image names no program that is to be started (ENTRYPOINT, CMD)")
        limits = limits_of(launch.hardware, self._settings, self._started)
        self._started += 1
        name = ODD.sub("_", launch.name)[:100]
        folder = self._folders / f"{name}-{secrets.token_hex(4)}"
        furnish(folder)
        shared = Shared(folder / "writable" / "shared", SHARED)
        sweep(self._logs)
        log = self._logs / f"{name}.log"
        filtered = seccomp.descriptor()
        try:
            root = Root(files, config, folder / "writable")
            guard = Guard(name, _start(bubblewrap, root, limits, shared, filtered), limits, Log(log))
            await guard.start()
        finally:
            if filtered is not None:
                os.close(filtered)
        ports = (launch.port,) if launch.contract and launch.port else tuple(candidate_ports(config, launch.port))
        way = Way(guard, config, launch.contract, ports, shared)
        return Replica(launch.name, log, guard, way)


def _start(bubblewrap: str, root: Root, limits: Limits, shared: Shared, filtered: int | None) -> Start:
    told = {**limits.rlimits, "cpus": limits.cpus, "stay": False, "lock": False}
    command = sandboxed(bubblewrap, root, filtered, variables(root.config, limits))
    return Start(
        command=[sys.executable, "-I", "-S", str(LAUNCHER), json.dumps(told), *command],
        environment={},  # what an image asks for must not reach bubblewrap itself, which is still outside
        inherits=() if filtered is None else (filtered,),
        folder=root.writable.parent,
        work=root.writable,
        sandboxed=True,
        model=root.writable.parent,
        shared=shared,
    )
