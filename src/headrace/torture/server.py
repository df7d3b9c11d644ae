"""What torture needs of a server process. The command line's own child server is handed in, behind this."""

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

GONE = 15.0  # seconds until the processes of a killed server must have ended


class NotStarted(Exception):
    """It ended, or did not become ready; the message holds the last lines of its log."""


class Server(Protocol):
    """One scratch server: started again and again on the same data folder and port."""

    @property
    def url(self) -> str: ...

    @property
    def ended(self) -> int | None:
        """Exit code, below 0 the signal that killed it; None while it runs."""
        ...

    @property
    def process_id(self) -> int: ...

    def start(self, variables: Mapping[str, str]) -> str:
        """Blocking; the administrator's key, when it is ready. Raises NotStarted."""
        ...

    def kill(self) -> None: ...

    def stop(self) -> None:
        """SIGTERM, and wait."""
        ...

    def last_lines(self) -> str: ...


Servers = Callable[[Path, int, tuple[str, ...], Path], Server]  # data folder, port, settings, log


def processes(marker: str) -> list[int]:
    """Processes of others than us whose command names `marker`: the server and its replicas."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                command = (entry / "cmdline").read_bytes()
                if marker.encode() in command and b"torture.mount" not in command:
                    found.append(int(entry.name))
        except OSError:
            continue  # it has just ended
    return found


def tell(process: int, what: signal.Signals) -> None:
    try:
        os.kill(process, what)
    except ProcessLookupError:
        return
