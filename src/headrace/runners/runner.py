"""What every way of running a model must be able to do."""

import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headrace.domain.image import ImageConfig
from headrace.domain.reach import Reach
from headrace.domain.replica import ImageLaunch, Isolation, Launch


@dataclass(frozen=True, slots=True)
class Ending:
    """How a replica ended: by itself with a code, by a signal, or because we ended it for going over `limit`."""

    code: int | None = None
    signal: int | None = None
    limit: str | None = None  # a sentence: "it used 1.2 GB of memory, its limit is 1.0 GB"

    @property
    def sentence(self) -> str:
        """What happened, to be put after "the replica ended: "."""
        if self.limit is not None:
            return self.limit
        if self.signal is not None:
            return f"it was ended by signal {self.signal} ({_signal_name(self.signal)})"
        return f"it exited with code {self.code}"


class Running(Protocol):
    """One replica that was started. Whoever started it stops it: nothing else removes what it holds."""

    @property
    def name(self) -> str: ...

    @property
    def connection(self) -> socket.socket | Reach:
        """Our end of the socket pair; the harness has the other. The dialect that is given it closes it.

        A model that listens by itself is reached another way.
        """
        ...

    @property
    def log(self) -> Path:
        """What the model printed, its end kept when it is long."""
        ...

    async def ended(self) -> Ending: ...

    async def stop(self, grace: float) -> Ending:
        """End the model with all that it started: asked first, killed after `grace` seconds. May be called again."""
        ...


class Runner(Protocol):
    @property
    def isolation(self) -> Isolation: ...

    async def start(self, launch: Launch) -> Running:
        """Raises Unsupported or ModelFailed when it cannot be started here."""
        ...


class ImageStore(Protocol):
    """Where images lie that were brought in: every one whole, and checked against its digest."""

    def config(self, digest: str) -> ImageConfig:
        """Raises NotFound, StorageFailed, as the others do."""
        ...

    async def archive(self, digest: str) -> Path:
        """A tar that every engine loads, docker-archive and OCI layout in one. It may vanish later: ask each time."""
        ...

    async def rootfs(self, digest: str) -> tuple[Path, ImageConfig]:
        """The image's root file system, unpacked, for reading only."""
        ...


class ImageRunner(Protocol):
    """Runs images: in containers of an engine, or in the sandbox."""

    @property
    def isolation(self) -> Isolation: ...

    async def prepare(self, digest: str, report: Callable[[int], None]) -> None:
        """Have the image where it is started from; `report` is told percentages. Raises as `start`."""
        ...

    async def start(self, launch: ImageLaunch) -> Running:
        """Raises Unsupported when it cannot be started here, ModelFailed when the image is at fault."""
        ...


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
