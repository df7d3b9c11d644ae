"""What the headers of all answers begin with: the date, made anew once a second while somebody is connected.

uvicorn makes it for as long as it runs, so a server that nobody asks would wake up for it.
"""

import asyncio
import time
from email.utils import formatdate
from typing import Any

import uvicorn
from uvicorn.server import ServerState


class Dated(ServerState):
    """In the place of uvicorn's. The list stays a plain attribute, which costs nothing where every answer reads it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__()
        self._config = config
        self._next: asyncio.TimerHandle | None = None
        self.connections = _Connections(self)

    def connected(self) -> None:
        """Somebody has come: there is a good date before the first request is read."""
        if self._next is None:
            self._tick()

    def _tick(self) -> None:
        at = time.time()
        self.default_headers = [(b"date", formatdate(at, usegmt=True).encode()), *self._config.encoded_headers]
        again = asyncio.get_running_loop().call_later
        self._next = again(1 - at % 1, self._tick) if self.connections else None


class _Connections(set[Any]):
    def __init__(self, state: Dated) -> None:
        super().__init__()
        self._state = state

    def add(self, connection: Any) -> None:
        super().add(connection)
        self._state.connected()
