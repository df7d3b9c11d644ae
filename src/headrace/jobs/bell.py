"""Wakes a loop: of this server, or the same one of all servers that share the database."""

import asyncio
from contextlib import suppress

from headrace.storage.events import Events


class Bell:
    """`channel` of `events`: what the other servers hear when it is rung for all."""

    def __init__(self, events: Events | None = None, channel: str = "") -> None:
        self._event = asyncio.Event()
        self._events, self._channel = events, channel
        if events is not None:
            events.listen(channel, lambda _: self.ring())

    def ring(self) -> None:
        """Here only: for what changes nothing that others wait for."""
        self._event.set()

    def ring_all(self) -> None:
        """On every server, this one included: there is something that any of them may do."""
        self.ring()
        if self._events is not None:
            self._events.tell(self._channel)

    async def wait(self, at_most: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                await self._event.wait()
        self._event.clear()
