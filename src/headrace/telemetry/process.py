"""The server's own process, by the names that Prometheus clients use. Read from /proc."""

import os
import resource
from collections.abc import Iterable
from pathlib import Path

from headrace.telemetry.metrics import Family, counter, gauge

_PROC = Path("/proc/self")


async def process() -> Iterable[Family]:
    pages, resident = (int(number) for number in (_PROC / "statm").read_text().split()[:2])
    page = resource.getpagesize()
    times = os.times()
    return [
        counter("process_cpu_seconds_total", "CPU time of the server without its models", times.user + times.system),
        gauge("process_resident_memory_bytes", "Memory of the server without its models", resident * page),
        gauge("process_virtual_memory_bytes", "Address space of the server", pages * page),
        gauge("process_open_fds", "Open files and connections", len(list((_PROC / "fd").iterdir()))),
        gauge("process_max_fds", "The most open files", resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        gauge("process_start_time_seconds", "When the server started, seconds since 1970", _STARTED),
    ]


def _started() -> float:
    """The process's start in ticks since the machine's start, and when that was."""
    ticks = int((_PROC / "stat").read_text().rpartition(")")[2].split()[19])
    boot = next(line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime"))
    return int(boot.split()[1]) + ticks / os.sysconf("SC_CLK_TCK")


_STARTED = _started()
