"""Whether the whole server is ready for inference (contracts/oip.md, A2)."""

import time
from collections.abc import Callable

from headrace.api.rooms import Rooms
from headrace.domain.errors import StorageFailed
from headrace.domain.ids import VersionKey

MAX_AGE = 0.5  # seconds that an answer is good for: probes may come often


class Readiness:
    """Ready: the start is over, and of the versions that always run none fails (unless oip.lenient)."""

    def __init__(self, rooms: Rooms, clock: Callable[[], float] = time.monotonic) -> None:
        self._rooms, self._clock = rooms, clock
        self._loading: set[VersionKey] | None = None  # of the start: those that were not ready yet
        self._known = (float("-inf"), False)

    async def ready(self) -> bool:
        if not self._rooms.ready():
            return False
        if self._rooms.settings.oip.lenient:
            return True
        at, found = self._known
        if self._clock() - at > MAX_AGE:
            found = await self._replicas_ready()
            self._known = (self._clock(), found)
        return found

    async def _replicas_ready(self) -> bool:
        try:
            active = await self._rooms.versions.active()
        except StorageFailed:
            return False
        statuses = {one.key: self._rooms.fleet.status(one.key) for one in active if one.processing.minimum}
        if self._loading is None:
            self._loading = set(statuses)
        self._loading = {key for key in self._loading if key in statuses and not statuses[key].ready}
        failing = [key for key, status in statuses.items() if status.failed and not status.ready]
        return not self._loading and not failing
