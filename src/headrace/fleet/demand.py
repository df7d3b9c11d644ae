"""Who waits for which version: written from above (jobs) and from below (callers in line), read by the loop."""

import asyncio
from contextlib import suppress

from headrace.domain.clock import Millis, now
from headrace.domain.ids import VersionKey


class Demand:
    """Numbers and a bell. The bell rings when somebody starts to wait, so that nobody has to look hard."""

    def __init__(self) -> None:
        self._waiting: dict[VersionKey, int] = {}
        self._since: dict[VersionKey, Millis] = {}
        self._bell = asyncio.Event()

    def set_waiting(self, key: VersionKey, inputs: int) -> None:
        """How many stored inputs of this version nobody works on yet."""
        before = self._waiting.get(key, 0)
        if inputs > 0:
            self._waiting[key] = inputs
            self._since.setdefault(key, now())
        else:
            self._waiting.pop(key, None)
            self._since.pop(key, None)
        if inputs > before:
            self.ring()

    def waiting(self, key: VersionKey) -> int:
        return self._waiting.get(key, 0)

    def since(self, key: VersionKey) -> Millis | None:
        """Since when there has been stored work without a pause: the oldest of it is not older than that."""
        return self._since.get(key)

    def keys(self) -> list[VersionKey]:
        return list(self._waiting)

    def ring(self) -> None:
        self._bell.set()

    async def wait(self, at_most: float) -> bool:
        """True when the bell rang, False after `at_most` seconds of silence."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                await self._bell.wait()
        rang = self._bell.is_set()
        self._bell.clear()
        return rang
