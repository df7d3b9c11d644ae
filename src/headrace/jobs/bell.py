"""Wakes a loop. One process: an event. A second server on the same database will ring by LISTEN/NOTIFY behind this."""

import asyncio
from contextlib import suppress


class Bell:
    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, at_most: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                await self._event.wait()
        self._event.clear()
