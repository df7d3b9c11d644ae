"""Wakes a loop and tells it why: of this server, or the same one of all servers that share the database."""

import asyncio
from contextlib import suppress

from headrace.storage.events import ANYTHING, Events


class Bell:
    """`channel` of `events`: what the other servers hear when it is rung for all."""

    def __init__(self, events: Events | None = None, channel: str = "") -> None:
        self._event, self._rung = asyncio.Event(), set[str]()
        self._events, self._channel = events, channel
        if events is not None:
            events.listen(channel, self.ring)

    def ring(self, why: str = ANYTHING) -> None:
        """Here only: for what changes nothing that others wait for."""
        self._rung.add(why)
        self._event.set()

    def ring_all(self, why: str = ANYTHING) -> None:
        """On every server, this one included: there is something that any of them may do."""
        self.ring(why)
        if self._events is not None:
            self._events.tell(self._channel, why)

    async def wait(self, at_most: float | None) -> set[str]:
        """Returns why it was rung since the last time; nothing after `at_most` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                await self._event.wait()
        self._event.clear()
        rung, self._rung = self._rung, set()
        return rung
