"""CPU time and memory of a process and everything below it, from /proc."""

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def below(pid: int) -> list[int]:
    """The process and its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, new = [], [pid]
    while new:
        found += new
        new = [child for one in new for child in children.get(one, [])]
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of all of them, with the time of those that ended and were waited for."""
    total = 0
    for one in below(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / TICK


def running_ms(pid: int) -> float:
    """How long the living ones have run, to the nanosecond: for those that hardly do."""
    total = 0
    for one in below(pid):
        for task in Path(f"/proc/{one}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except OSError:
                continue
    return total / 1e6


def memory_mb(pid: int) -> float:
    """Proportional set size: pages shared by several are counted once."""
    total = 0
    for one in below(pid):
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024
