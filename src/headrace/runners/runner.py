"""What every way of running a model must be able to do."""

import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headrace.domain.replica import Isolation, Launch


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
    def connection(self) -> socket.socket:
        """Our end of the socket pair; the harness has the other. The dialect that is given it closes it."""
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


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
