"""Who is to be told when a job ends: long polls, and the worker that must stop when its job is cancelled."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watch:
    """In memory: a server tells its own listeners. Register first, then look at the job's state."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[Callable[[], None]]] = defaultdict(set)

    def ended(self, job: str) -> None:
        for listener in self._listeners.pop(job, ()):
            listener()

    @contextmanager
    def listening(self, job: str, listener: Callable[[], None]) -> Iterator[None]:
        self._listeners[job].add(listener)
        try:
            yield
        finally:
            if job in self._listeners:
                self._listeners[job].discard(listener)
                if not self._listeners[job]:
                    del self._listeners[job]
