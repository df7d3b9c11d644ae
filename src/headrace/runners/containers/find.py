"""Which container engine there is: named by a setting, or found where engines usually are, or a podman started here."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from headrace.domain.errors import HeadraceError, Unavailable, Unsupported
from headrace.runners.containers.engine import Engine

INSTALL = "install podman (apt-get install podman, or dnf, pacman: podman) or docker"
OFF = "container engines are switched off (runners.engine=off)"
USUAL = ("/var/run/docker.sock", "/run/podman/podman.sock")
LONGEST_PATH = 100  # characters of a socket's path; the kernel takes 107
HYBRID = Path("/sys/fs/cgroup/unified")
SERVICE = 20.0  # seconds until podman's service answers
# the service ends with us, however we end
TIED = "import ctypes,os,sys;ctypes.CDLL(None).prctl(1,15,0,0,0);os.execv(sys.argv[1],sys.argv[1:])"


@dataclass(frozen=True, slots=True)
class Found:
    engine: Engine
    service: "Service | None" = None

    async def close(self) -> None:
        await self.engine.close()
        if self.service is not None:
            await asyncio.to_thread(self.service.stop)


async def find(setting: str, data: Path) -> Found:
    """Raises Unsupported: the sentence says what was tried, and what to install."""
    if setting == "off":
        raise Unsupported(OFF)
    if setting != "auto":
        try:
            return Found(await Engine.open(setting))
        except Unavailable as error:
            raise Unsupported(f"runners.engine names {setting}: {error.message}", technical=error.technical) from None
    tried: list[str] = []
    found = await _listening(tried) or await own_podman(data, tried)
    if found is not None:
        return found
    if tried:
        raise Unsupported(f"no container engine can be used: {'; '.join(tried)}")
    raise Unsupported(f"there is no container engine: {INSTALL}")


async def _listening(tried: list[str]) -> Found | None:
    for url in usual_places(os.environ):
        try:
            return Found(await Engine.open(url))
        except Unavailable as error:
            tried.append(f"{error.message} ({error.technical[:200]})")
    return None


async def own_podman(data: Path, tried: list[str]) -> Found | None:
    """None when its program is not there, or does not start: then `tried` has the reason."""
    podman = shutil.which("podman")
    if podman is None:
        return None
    service = Service(podman, data)
    try:
        return Found(await service.engine(), service)
    except HeadraceError as error:
        await asyncio.to_thread(service.stop)
        if isinstance(error, Unsupported):
            raise
        tried.append(error.message)
        return None


def usual_places(environment: "os._Environ[str] | dict[str, str]") -> Iterator[str]:
    if named := environment.get("DOCKER_HOST"):
        yield named
    paths = [Path(one) for one in USUAL]
    if home := environment.get("XDG_RUNTIME_DIR"):
        paths.append(Path(home) / "podman" / "podman.sock")
    for path in paths:
        with suppress(OSError):
            if path.is_socket():
                yield f"unix://{path}"


def _runtime() -> list[str]:
    """crun, podman's usual one, refuses machines with both versions of control groups; runc does not."""
    runc = shutil.which("runc")
    return ["--runtime", runc] if runc and (HYBRID / "cgroup.controllers").exists() else []


class Service:
    """`podman system service`, a child of ours on a socket of ours."""

    def __init__(self, podman: str, data: Path) -> None:
        self._podman, self._data = podman, data
        self._child: subprocess.Popen[bytes] | None = None
        self._socket = data / "podman.sock"
        if len(str(self._socket)) > LONGEST_PATH:
            name = hashlib.sha256(str(data).encode()).hexdigest()[:16]
            self._socket = Path(tempfile.gettempdir()) / f"headrace-{os.getuid()}-{name}" / "podman.sock"

    async def engine(self) -> Engine:
        """Raises Unsupported, Unavailable."""
        await asyncio.to_thread(self._start)
        until = time.monotonic() + SERVICE
        while True:
            if self._socket.is_socket():
                with suppress(Unavailable):
                    return await Engine.open(f"unix://{self._socket}")
            if self._child is None or self._child.poll() is not None or time.monotonic() > until:
                words = self._last_words()
                raise Unavailable(f"podman is installed, but its service does not start: {words}")
            await asyncio.sleep(0.02)

    @property
    def _log(self) -> Path:
        return self._data / "logs" / "podman-service.txt"

    def _start(self) -> None:
        for folder in (self._socket.parent, self._log.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket.unlink(missing_ok=True)
        service = [self._podman, *_runtime(), "system", "service", "--time=0", f"unix://{self._socket}"]
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(  # noqa: S603 - the command is ours
                [sys.executable, "-I", "-S", "-c", TIED, *service],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self._log.parent,  # where it puts notes of its own about memory
            )

    def _last_words(self) -> str:
        with suppress(OSError):
            return self._log.read_text(errors="replace").strip()[-300:] or "it says nothing"
        return "it says nothing"

    def stop(self) -> None:
        if self._child is not None:
            self._child.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(SERVICE / 4)
            if self._child.poll() is None:
                self._child.kill()
                self._child.wait()
            self._child = None
        self._socket.unlink(missing_ok=True)
