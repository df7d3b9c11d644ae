"""The first program of a replica: puts limits on itself, which all that it starts inherits, and starts the harness.

Standard library only, Python 3.8 or newer: it runs with the interpreter of the model's environment.
Usage: launcher.py LIMITS PROGRAM ARGUMENTS…, where LIMITS is JSON: {data, file, files, cpus, stay, server, connection}.
With `stay` it remains as the parent, so that whatever the model starts and forgets is found and ended with it; without,
it becomes the program (inside a sandbox, whose own first process does that better).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
PROGRAM_ERROR = 127


def limit(limits: dict[str, int]) -> None:
    for name, wanted in (
        (resource.RLIMIT_DATA, limits["data"]),
        (resource.RLIMIT_FSIZE, limits["file"]),
        (resource.RLIMIT_NOFILE, limits["files"]),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(name)
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(name, (value, value))


def prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def descendants(root: int) -> list[int]:
    """All processes below `root`, by the kernel's table of parents."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = list(children.get(root, ()))
    for pid in found:  # grows while it is read
        found.extend(children.get(pid, ()))
    return found


def end_all() -> None:
    """Kill every descendant. Orphans come to us (we are a subreaper), so this ends when a look finds none."""
    while pids := descendants(os.getpid()):
        for number in (signal.SIGSTOP, signal.SIGKILL):  # who is stopped does not fork
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.001)


def stay(program: list[str], limits: dict[str, int]) -> int:
    """Start the program, wait for it, and leave nothing behind. Returns how it ended."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.setsid()  # a model that signals its whole group does not reach us
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            os.execv(program[0], program)  # noqa: S606 - what the server told us to start
        os._exit(PROGRAM_ERROR)
    os.close(limits["connection"])  # the server is to see the end of the harness, not ours
    signal.signal(signal.SIGTERM, lambda *_: ask(child))
    signal.signal(signal.SIGUSR1, abandon)
    prctl(PR_SET_PDEATHSIG, signal.SIGUSR1)
    if os.getppid() != limits["server"]:
        abandon()
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            end_all()
            return status


def ask(child: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
        os.killpg(child, signal.SIGTERM)


def abandon(*_: object) -> None:
    """The server tells us to end at once, or is gone."""
    end_all()
    os._exit(0)


def end_like(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def main(arguments: list[str]) -> None:
    limits, program = json.loads(arguments[0]), arguments[1:]
    limit(limits)
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, limits["cpus"])
    if limits.get("lock", True):  # not above a sandbox that may need more rights to be made; it locks by itself
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    if limits["stay"]:
        end_like(stay(program, limits))
    os.execv(program[0], program)  # noqa: S606 - what the server told us to start


if __name__ == "__main__":
    main(sys.argv[1:])
