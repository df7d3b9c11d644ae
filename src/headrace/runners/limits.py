"""How much a replica uses, read from /proc, and the sentence for the first limit that it is over."""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from headrace.domain.reach import Shared
from headrace.domain.replica import Hardware
from headrace.settings import RunnerSettings

PAGE = os.sysconf("SC_PAGE_SIZE")
FOLDERS = 1 << 20  # bytes that folders take themselves: a single file may be as large as the limit, and no larger
SLACK = 512 << 20  # bytes of address space that an interpreter and its threads take without using them
MOST_ENTRIES = 200_000  # files in the work folder that are counted; more of them are over any limit
OPEN_FILES = 4_096
_RUNNING = 2  # of the clocks of a process: the time for which it was on a processor, as the scheduler has it


@dataclass(frozen=True, slots=True)
class Limits:
    """What one replica may use, all its processes together."""

    memory: int  # bytes
    processes: int  # and threads
    disk: int  # bytes
    cpus: tuple[int, ...]

    @property
    def rlimits(self) -> dict[str, int]:
        """What the kernel holds for each process by itself: coarse, but without a gap between two looks."""
        return {"data": 2 * self.memory + SLACK, "file": self.disk, "files": OPEN_FILES}

    def over_disk(self, size: int) -> str | None:
        """What to say of a model that wrote so many bytes; None: it may."""
        if size <= self.disk + FOLDERS:
            return None
        return f"it wrote {amount(size)} to its disk, its limit is {amount(self.disk)}"


def limits_of(hardware: Hardware, settings: RunnerSettings, turn: int) -> Limits:
    """`turn`: how many replicas were started before this one, to spread them over the processors."""
    cpus = sorted(os.sched_getaffinity(0))
    count = min(len(cpus), max(1, -(-hardware.cpu_millis // 1_000)))
    mine = tuple(sorted(cpus[(turn * count + index) % len(cpus)] for index in range(count)))
    return Limits(hardware.memory_bytes, settings.processes, settings.disk, mine)


def excess(limits: Limits, root: int, work: Path, shared: Shared | None = None) -> str | None:
    """The limit that the processes from `root` downwards are over, or None. `shared`: a part of `work`."""
    pids = tree(root)
    if (threads := sum(_threads(pid) for pid in pids)) > limits.processes:
        return f"it ran {threads} processes and threads, its limit is {limits.processes}"
    hidden_memory, hidden_disk = _hidden(pids)
    if (memory := _memory(pids, limits.memory - hidden_memory) + hidden_memory) > limits.memory:
        return f"it used {amount(memory)} of memory, its limit is {amount(limits.memory)}"
    return limits.over_disk(written(work, shared) + hidden_disk)


def tree(root: int) -> list[int]:
    """`root` and all processes below it."""
    found = [root]
    for pid in found:  # grows while it is read
        for task in _listed(f"/proc/{pid}/task"):
            found.extend(int(child) for child in _text(f"/proc/{pid}/task/{task}/children").split())
    return found


def ran(pids: Iterable[int]) -> int | None:
    """How long they have run, all their threads together, in nanoseconds. None: one is gone, or nobody tells us."""
    try:
        return sum(time.clock_gettime_ns(_clock(pid)) for pid in pids)
    except OSError:
        return None


def _clock(pid: int) -> int:
    """Its number, as clock_getcpuclockid makes it on Linux: Python calls that for our own threads only."""
    return (~pid << 3) | _RUNNING


def _threads(pid: int) -> int:
    return len(_listed(f"/proc/{pid}/task"))


def _memory(pids: Iterable[int], enough: int) -> int:
    """Resident bytes. Shared pages are counted once for each process that has them, unless that would be too much."""
    resident = 0
    for pid in pids:
        fields = _text(f"/proc/{pid}/statm").split()
        resident += int(fields[1]) * PAGE if fields else 0
    return resident if resident <= enough else sum(_share(pid) for pid in pids)


def _share(pid: int) -> int:
    """The proportional share of a process; slower to read. Its resident size where the kernel does not tell us."""
    for line in _text(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    fields = _text(f"/proc/{pid}/statm").split()
    return int(fields[1]) * PAGE if fields else 0


def _hidden(pids: Iterable[int]) -> tuple[int, int]:
    """Bytes of memory files, and of files that were removed while they are open: in no folder and no page table."""
    memory: dict[tuple[int, int], int] = {}
    disk: dict[tuple[int, int], int] = {}
    for pid in pids:
        for descriptor in _listed(f"/proc/{pid}/fd"):
            with suppress(OSError):
                path = f"/proc/{pid}/fd/{descriptor}"
                found = os.stat(path)  # noqa: PTH116 - four times a second for every descriptor: no Path objects
                if stat.S_ISREG(found.st_mode) and found.st_nlink == 0 and found.st_blocks:
                    in_memory = os.readlink(path).startswith("/memfd:")  # noqa: PTH115 - as above
                    (memory if in_memory else disk)[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(memory.values()), sum(disk.values())


def written(folder: Path, shared: Shared | None) -> int:
    """Bytes in it without those that the server put there, which comes and goes with them while they are counted."""
    before = shared.ours if shared else 0
    found = disk(folder)
    return found - max(before, shared.ours if shared else 0)


def disk(folder: Path) -> int:
    """Bytes that the files of a folder take; too many files are over any limit."""
    size = 0
    for number, entry in enumerate(_entries(str(folder))):
        with suppress(OSError):
            size += entry.stat(follow_symlinks=False).st_blocks * 512
        if number > MOST_ENTRIES:
            return 1 << 62
    return size


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    folders = [folder]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                yield entry


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - as above
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
            return file.read().decode("latin-1")
    except OSError:
        return ""


def amount(size: int) -> str:
    return f"{size / (1 << 30):.1f} GB" if size >= 1 << 30 else f"{size / (1 << 20):.0f} MB"
