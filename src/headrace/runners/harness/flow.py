"""The answers to one question on their way out: each leaves at once, and no faster than they are taken.

An answer that is not the last has the field `more`; the end is an answer of its own, without outputs or with an error.
Without numpy: models that take files have none.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Protocol

from headrace.runners.harness.failures import log
from headrace.runners.harness.outcomes import answered, failed
from headrace.runners.harness.questions import Asked, Clock, Started
from headrace.runners.harness.tensors import Reply

STREAM = "stream"  # in a question's meta: it may have more than one answer
EMPTY = {"empty": "1"}  # in the meta of a last answer without outputs
AHEAD = 64  # answers that a model may be ahead of whoever reads them
SOON, LATER = 0.001, 0.05  # seconds between two looks whether they were taken
DECOUPLED = "HTTP end point doesn't support models with decoupled transaction policy"


class Unwanted(BaseException):
    """Nobody wants the rest. Not an Exception, so that a model does not catch it by accident."""


class Desk(Protocol):
    """Who encodes and sends the answers of one model."""

    name: str

    def encode(self, asked: Asked, reply: Reply, /) -> tuple[list[tuple[str, int]], list[bytes], dict[str, str]]: ...

    def send(self, head: tuple[Any, ...], contents: list[bytes], last: bool) -> None: ...


class Flow:
    """The answers to one question on their way out. May be used from any thread."""

    def __init__(self, desk: Desk, asked: Asked, started: Started) -> None:
        self._desk, self._asked, self._started = desk, asked, started
        self._lock = threading.Lock()
        self._clock = Clock()
        self._sent = 0
        self._failure: BaseException | None = None

    def wanted(self) -> bool:
        return self._failure is None and not self._started.unwanted(0)

    def give(self, reply: Reply) -> None:
        """Raises Unwanted: then the model should stop."""
        with self._lock:
            if not self.wanted():
                raise Unwanted
            try:
                names, contents, meta = self._desk.encode(self._asked, reply)
            except Exception as failure:  # noqa: BLE001 - what a model gives may fail in any way
                log(failure)
                self._failure = failure
                raise Unwanted from None
            self._desk.send(answered(self._clock.stop(1), names, meta, more=True), contents, last=True)
            self._sent += 1
            self._wait()
            self._clock = Clock()

    def end(self, failure: BaseException | None) -> None:
        with self._lock:
            failure = self._failure or failure
            times = self._clock.stop(1)
            if failure is None:
                self._desk.send(answered(times, [], EMPTY), [], last=True)
            else:
                self._desk.send(*failed(failure, times, self._asked, self._desk.name), last=True)

    def _wait(self) -> None:
        """Until the reader has come nearer. The time is his, not the model's."""
        pause = SOON
        while self._sent - self._started.taken() >= AHEAD and self.wanted():
            time.sleep(pause)
            pause = min(LATER, pause * 2)
