"""Models as processes of this machine: beside us, or in a sandbox where bubblewrap works."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace.domain.replica import Isolation, Launch
from headrace.runners import sandbox, seccomp
from headrace.runners.guard import Guard
from headrace.runners.limits import Limits, limits_of
from headrace.runners.log import Log, sweep
from headrace.runners.memory import OF_REPLICAS
from headrace.runners.runner import Ending
from headrace.runners.watch import Start
from headrace.settings import RunnerSettings

HARNESS = Path(__file__).parent / "harness"
WRITABLE = ("work", "tmp", "shm")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
PROBE = 20.0  # seconds
ODD = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class Replica:
    """A running model. Its guard does the work."""

    name: str
    connection: socket.socket
    log: Path
    guard: Guard

    async def ended(self) -> Ending:
        return await self.guard.ended()

    async def stop(self, grace: float) -> Ending:
        return await self.guard.stop(grace)


class ProcessRunner:
    """`bubblewrap`: its path, or None for plain processes. Folders of replicas of an earlier server are removed."""

    def __init__(self, settings: RunnerSettings, data: Path, bubblewrap: str | None) -> None:
        self._settings, self._data, self._bubblewrap = settings, data.absolute(), bubblewrap
        self._folders, self._logs = self._data / "replicas", self._data / "logs"
        shutil.rmtree(self._folders, ignore_errors=True)
        self._folders.mkdir(parents=True, mode=0o700)
        self._started = 0

    @property
    def isolation(self) -> Isolation:
        return Isolation.PROCESS if self._bubblewrap is None else Isolation.SANDBOX

    async def start(self, launch: Launch) -> Replica:
        limits = limits_of(launch.hardware, self._settings, self._started)
        self._started += 1
        name = ODD.sub("_", launch.name)[:100]
        folder = self._new_folder(name)
        sweep(self._logs)
        log = self._logs / f"{name}.log"
        ours, theirs = socket.socketpair()
        with theirs, _seccomp(self._bubblewrap) as filtered:
            start = self._start(launch, limits, folder, (theirs.fileno(), filtered))
            guard = Guard(name, start, limits, Log(log))
            try:
                await guard.start()
            except BaseException:
                ours.close()
                raise
        return Replica(launch.name, ours, log, guard)

    def _new_folder(self, name: str) -> Path:
        folder = self._folders / f"{name}-{secrets.token_hex(4)}"
        furnish(folder)
        return folder

    def _start(self, launch: Launch, limits: Limits, folder: Path, descriptors: tuple[int, int | None]) -> Start:
        connection, filtered = descriptors
        plain = self._bubblewrap is None
        harness = HARNESS if plain else Path(sandbox.HARNESS)
        model = launch.folder if plain else sandbox.MODEL
        told = {
            **limits.rlimits,
            "cpus": limits.cpus,
            "stay": plain,
            "server": os.getpid(),
            "connection": connection,
        }
        # -B: compiled files that nobody fsyncs would lie in the model's folder, and after a power cut be read half
        command = [
            *(launch.python, "-I", "-S", "-B", str(harness / "launcher.py"), json.dumps(told)),
            *(launch.python, "-I", "-B", "-u", str(harness / "harness.py"), str(connection), model, launch.entry),
        ]
        variables = _environment(launch, limits, folder / "writable", plain=plain)
        if self._bubblewrap is not None:
            place = sandbox.Place(folder, Path(launch.folder), Path(launch.python), HARNESS, self._data)
            command = sandbox.sandboxed(self._bubblewrap, place, filtered, command, variables)
            variables = {}  # what a model asks for must not reach bubblewrap itself, which is still outside
        return Start(
            command=command,
            environment=variables,
            inherits=tuple(descriptor for descriptor in descriptors if descriptor is not None),
            folder=folder,
            work=folder / "writable",
            sandboxed=not plain,
            model=Path(launch.folder),
        )


def furnish(folder: Path) -> None:
    """What a replica's own folder holds before it starts."""
    for part in WRITABLE:
        (folder / "writable" / part).mkdir(mode=0o700, parents=True)
    (folder / "passwd").write_text(sandbox.USERS)


def try_sandbox(bubblewrap: str, folder: Path) -> str | None:
    """Run `true` in the very sandbox that models get. None when that worked, else what was said."""
    furnish(folder)
    with _seccomp(bubblewrap) as filtered:
        place = sandbox.Place(folder, HARNESS, Path(sys.executable), HARNESS, folder)
        done = subprocess.run(  # noqa: S603 - the command is ours
            sandbox.sandboxed(bubblewrap, place, filtered, ["/bin/true"], {}),
            pass_fds=() if filtered is None else (filtered,),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PROBE,
        )
    if done.returncode == 0:
        return None
    return done.stderr.decode(errors="replace").strip()[-500:] or f"it ended with code {done.returncode}"


@contextmanager
def _seccomp(bubblewrap: str | None) -> Iterator[int | None]:
    filtered = None if bubblewrap is None else seccomp.descriptor()
    try:
        yield filtered
    finally:
        if filtered is not None:
            os.close(filtered)


def _environment(launch: Launch, limits: Limits, writable: Path, *, plain: bool) -> dict[str, str]:
    """All that the model's process gets: nothing of ours."""
    work, tmp = (str(writable / "work"), str(writable / "tmp")) if plain else (sandbox.WORK, "/tmp")  # noqa: S108
    return {
        **dict.fromkeys(THREADS, str(len(limits.cpus))),
        **OF_REPLICAS,
        **dict(launch.environment),
        "PATH": f"{Path(launch.python).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": work,
        "TMPDIR": tmp,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
