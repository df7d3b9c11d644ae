"""What the kernel counts for a container: memory used, at most, and how often it killed for want of it.

Both versions of control groups. Where they cannot be read (another user's, another machine's), nothing is known.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Reading:
    peak: int = 0  # bytes of memory
    killed: int = 0  # processes, for going over the limit of memory
    refused: int = 0  # processes and threads that it was not allowed to start


class Counters:
    """Of the container whose first process is `pid`. Keeps the last reading: the files vanish with the container."""

    def __init__(self, pid: int, container: str) -> None:
        places = _places(pid)
        self.known = any(container in str(path) for path in places.values())  # else the number is somebody else's
        self.pid = pid if self.known else 0
        self._memory = places.get("memory") if self.known else None
        self._pids = places.get("pids") if self.known else None
        self._unified = places.get("") if self.known else None
        self.last = Reading()

    def read(self) -> Reading:
        before = self.last
        if self._memory is not None:
            killed = _field(self._memory / "memory.oom_control", "oom_kill")
            peak = _number(self._memory / "memory.max_usage_in_bytes")
            refused = _field(self._pids / "pids.events", "max") if self._pids is not None else 0
        elif self._unified is not None:
            killed = _field(self._unified / "memory.events", "oom_kill")
            peak = _number(self._unified / "memory.peak") or _number(self._unified / "memory.current")
            refused = _field(self._unified / "pids.events", "max")
        else:
            return before
        self.last = Reading(max(peak, before.peak), max(killed, before.killed), max(refused, before.refused))
        return self.last

    def alarm(self) -> int | None:
        """A descriptor that becomes readable when memory runs out: only the first version of control groups has it."""
        if self._memory is None:
            return None
        try:
            bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except OSError:
            return None
        try:
            watched = os.open(self._memory / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
            try:
                (self._memory / "cgroup.event_control").write_text(f"{bell} {watched}")
            finally:
                os.close(watched)
        except OSError:
            os.close(bell)
            return None
        return bell


def _places(pid: int) -> dict[str, Path]:
    """Controller → folder; "" for the unified tree."""
    found = {}
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0":
                found[""] = ROOT / path.lstrip("/")
            for controller in controllers.split(","):
                if controller in {"memory", "pids"}:
                    found[controller] = ROOT / controller / path.lstrip("/")
    return found


def _field(path: Path, name: str) -> int:
    with suppress(OSError, ValueError):
        for line in path.read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return 0


def _number(path: Path) -> int:
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return 0
