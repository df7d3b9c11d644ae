"""Who is to be told when a job ends: long polls, and the worker that must stop when its job is cancelled."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from headrace.storage.events import Events

CHANNEL = "jobs.ended"


class Watch:
    """In memory: a server tells its own listeners, and those of the others by `events`.

    Register first, then look at the job's state. An event may be missed: who waits looks again after a while.
    """

    def __init__(self, events: Events | None = None) -> None:
        self._listeners: defaultdict[str, set[Callable[[], None]]] = defaultdict(set)
        self._events = events
        if events is not None:
            events.listen(CHANNEL, self._heard)

    def ended(self, job: str) -> None:
        if self._events is None:
            self._heard(job)
        else:
            self._events.tell(CHANNEL, job)

    def _heard(self, job: str) -> None:
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
