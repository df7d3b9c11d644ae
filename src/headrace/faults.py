"""Places where `headrace torture` stops this program dead. Off, as always but then: a call of an empty function.

HEADRACE_FAULTS is read once, at the start. It holds words: `log=FILE` notes each place that is passed, `kill=PLACE:3`
ends the program when it comes to PLACE for the third time, `clock=FILE` adds the milliseconds in FILE to the clock,
`sync=FILE` is fsynced where the program calls sync(), which a file system in user space does not hear of.
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

VARIABLE = "HEADRACE_FAULTS"


class Armed:
    def __init__(self, words: str) -> None:
        said = dict(word.split("=", 1) for word in words.split())
        name, _, hit = said.get("kill", "").rpartition(":")
        self._name, self._hit = name, int(hit or 0)
        self._log = os.open(said["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if "log" in said else -1
        self._clock, self._sync = said.get("clock"), said.get("sync")
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def point(self, name: str) -> None:
        with self._lock:
            self._passed[name] += 1
            if self._log >= 0:
                os.write(self._log, f"{name}\n".encode())
            if name == self._name and self._passed[name] == self._hit:
                os.kill(os.getpid(), signal.SIGKILL)

    def synced(self) -> None:
        if self._sync is not None:
            descriptor = os.open(self._sync, os.O_WRONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def jumping(self, clock: Callable[[], int]) -> Callable[[], int]:
        file = self._clock
        if file is None:
            return clock
        return lambda: clock() + int(Path(file).read_text(encoding="ascii"))


class Off:
    def point(self, name: str) -> None:
        """The program passes this place: `what.it.does`, at most one place of a name in the code."""

    def synced(self) -> None:
        """Everything was written to disk by sync()."""

    def jumping(self, clock: Callable[[], int]) -> Callable[[], int]:
        """The clock that the program goes by."""
        return clock


_faults: Armed | Off = Armed(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else Off()
point, synced, jumping = _faults.point, _faults.synced, _faults.jumping
