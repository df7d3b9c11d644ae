"""From the start of a replica's first process to the end of its last: what it prints, what it uses, how it ends."""

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from headrace.domain.reach import Shared
from headrace.runners.limits import Limits, excess, tree
from headrace.runners.log import Log
from headrace.runners.runner import Ending
from headrace.runners.stillness import Stillness

LOOK = 0.25  # seconds between two looks at the limits
LOOK_AT_REST = 1.0  # the same after one at which the replica had not run since the one before
KILL_AFTER = 2.0  # seconds for the first process to end what it has below it
READ = 64 * 1024
MOST_LOG = 16 << 20  # bytes that a model may print between two looks; then it has to wait
NEVER = float("inf")
SIGNALLED = 128  # a sandbox tells a signal as an exit code above this


@dataclass(frozen=True, slots=True)
class Start:
    """How the first process is started. `sandboxed`: it is bubblewrap, with a second one below, then the model."""

    command: list[str]
    environment: dict[str, str]
    inherits: tuple[int, ...]  # descriptors
    folder: Path  # removed at the end
    work: Path  # the part of it in which the model may write
    sandboxed: bool
    model: Path  # where it starts
    shared: Shared | None = None  # a part of `work`


class Watch:
    def __init__(self, start: Start, limits: Limits, log: Log) -> None:
        self._start, self._limits, self._log = start, limits, log
        self._bell, self._rope = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._ringing = threading.Lock()
        self._grace: float | None = None
        self._kill_at = NEVER
        self._look_at = time.monotonic() + LOOK
        self._killed = self._silent = False
        self._limit: str | None = None
        self._stillness = Stillness()
        self._printed = 0
        self.pid = 0  # told by the guard, before anybody hears that the process has started

    def stop(self, grace: float) -> None:
        """From any thread."""
        self._grace = grace
        with self._ringing, suppress(BlockingIOError):  # rung so often that one more says nothing
            if self._rope >= 0:
                os.write(self._rope, b"!")

    def close(self) -> None:
        with self._ringing:  # else a late ring could go into a descriptor that is somebody else's by then
            for descriptor in (self._bell, self._rope):
                os.close(descriptor)
            self._bell = self._rope = -1

    def run(self, process: subprocess.Popen[bytes]) -> Ending:
        output = process.stdout.fileno() if process.stdout else -1
        os.set_blocking(output, False)
        poller = select.poll()
        with _pidfd(process.pid) as end:
            for descriptor in (end, output, self._bell):
                poller.register(descriptor, select.POLLIN)
            while True:
                ready = {descriptor for descriptor, _ in poller.poll(self._wait())}
                if output in ready and not self._print(output):
                    poller.unregister(output)
                if end in ready:
                    break
                if self._bell in ready:
                    self._ask(process.pid)
                if self._in_time(process.pid) and not self._silent:
                    poller.register(output, select.POLLIN)
        self._printed = 0
        self._print(output)
        return self._ending(process.wait())

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """All of it, when `run` has failed: nobody would hold its limits any more, nor stop it."""
        while process.poll() is None:
            self._kill(process.pid)
            with suppress(subprocess.TimeoutExpired):
                process.wait(KILL_AFTER)

    def _wait(self) -> int:
        """Milliseconds until there is something to do without news."""
        return max(0, int((min(self._look_at, self._kill_at) - time.monotonic()) * 1000) + 1)

    def _print(self, output: int) -> bool:
        """False when nothing more will come, or nothing more may come before the next look."""
        while self._printed < MOST_LOG:
            try:
                data = os.read(output, READ)
            except BlockingIOError:
                return True
            if not data:
                self._silent = True
                return False
            self._log.write(data)
            self._printed += len(data)
        return False

    def _in_time(self, pid: int) -> bool:
        """Do what its time has come for. True after a look."""
        if time.monotonic() >= self._kill_at:
            self._kill(pid)
        if looked := time.monotonic() >= self._look_at:
            self._look(pid)
        return looked

    def _look(self, pid: int) -> None:
        self._printed = 0
        still = self._stillness.lasts(pid)
        if self._limit is None and not still:
            self._stillness.begin(pid)
            if limit := excess(self._limits, pid, self._start.work, self._start.shared):
                self._limit = limit
                self._kill(pid)
        self._look_at = time.monotonic() + (LOOK_AT_REST if still else LOOK)

    def _ask(self, pid: int) -> None:
        os.read(self._bell, READ)
        if self._grace is not None and self._kill_at == NEVER:
            self._kill_at = time.monotonic() + self._grace
            for asked in tree(pid)[2:] if self._start.sandboxed else [pid]:
                with suppress(ProcessLookupError):
                    os.kill(asked, signal.SIGTERM)

    def _kill(self, pid: int) -> None:
        """At first through the one process that takes all others with it; if that does not help, one by one.

        In a sandbox that is the first of its namespace: bubblewrap above it ends when all are gone. Killed itself, it
        would be gone before them, and the model could still answer.
        """
        family = tree(pid)
        victims, numbers = [pid], [signal.SIGUSR1]
        if self._killed:
            victims, numbers = family, [signal.SIGSTOP, signal.SIGKILL]
        elif self._start.sandboxed:
            victims, numbers = family[1:2] or family, [signal.SIGKILL]
        for number in numbers:
            for victim in victims:
                with suppress(ProcessLookupError):
                    os.kill(victim, number)
        self._killed = True
        self._kill_at = time.monotonic() + KILL_AFTER

    def _ending(self, code: int) -> Ending:
        if self._start.sandboxed and code > SIGNALLED:
            code = SIGNALLED - code
        if code < 0:
            return Ending(signal=-code, limit=self._limit)
        return Ending(code=code, limit=self._limit)


@contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
