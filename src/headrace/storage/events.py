"""What happened, told after the commit: own listeners hear it at once, those of other servers a moment later.

An event carries no news that the database does not hold. A listener may be called without need, and one that missed an
event finds out by its own slow look at the database.
"""

from collections import defaultdict
from collections.abc import Callable

Listener = Callable[[str], None]
ANYTHING = ""  # the payload that stands for "whatever you know may be old"


class Events:
    """Of one server alone. Everything here is called in the server's event loop."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)

    def listen(self, channel: str, listener: Listener) -> None:
        """`listener` is told the payload, or ANYTHING when events may have been missed. It must not wait or raise."""
        self._listeners[channel].append(listener)

    def tell(self, channel: str, payload: str = ANYTHING) -> None:
        """Something was committed that the listeners of `channel` care for."""
        self._hear(channel, payload)

    async def run(self) -> None:
        """For as long as the server runs."""

    async def settled(self) -> None:
        """Returns when every server that can be reached has heard what was told before."""

    def _hear(self, channel: str, payload: str) -> None:
        for listener in self._listeners[channel]:
            listener(payload)

    def _hear_anything(self) -> None:
        for channel in list(self._listeners):
            self._hear(channel, ANYTHING)
