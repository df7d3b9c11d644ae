"""The end of a server under load: nobody who got a connection is left without an answer.

A connection that the kernel has made, and that we have not accepted yet, would be reset when the listening socket is
closed. So what stands in that queue is taken in first, and only then, with nothing in between, the socket is closed.
Who comes later is refused, and knows that nothing of his request was read. Connections that are open are finished by
their protocol (oip/straight/http.py): answers that are owed are given, with Connection: close. Who is still owed one
when the time is over hears that there will be none: uvicorn calls off what is at work, and that says so before it ends.
"""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import uvicorn

from headrace.api.dated import Dated
from headrace.api.http1 import Http1
from headrace.domain.errors import Unavailable

LAST_WORDS = 1.0  # seconds for those that are told at the end of a drain that there is no more time


def goodbye() -> Unavailable:
    """What is said to a request that is called off because the server stops."""
    return Unavailable("the server is shutting down")


def last_connections(listeners: Sequence[socket.socket], close: Callable[[], None]) -> list[socket.socket]:
    """Takes in what waits at each listener. `close` ends what else holds them open."""
    own = [listener.dup() for listener in listeners]
    close()
    taken = []
    for listener in own:
        listener.settimeout(0)
        with listener:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:  # nobody left, or the one in front has gone away
                    break
    return taken


class Draining(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state = Dated(config)
        self._told = asyncio.Event()

    async def main_loop(self) -> None:
        """Nobody looks ten times a second whether we were told to stop, nor once a second at the date: see Dated."""
        await self._told.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._told.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but without raising the signal anew at the end: that would kill us before we have closed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        listeners = [one for one in sockets or [] if one.fileno() >= 0]
        loop = asyncio.get_running_loop()
        for connection in last_connections(listeners, self._close_listeners):
            connection.settimeout(0)
            await loop.connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)
        for open_one in list(self.server_state.connections):
            if isinstance(open_one, Http1):
                open_one.finish()
        if self.server_state.tasks:  # they were called off
            await asyncio.wait(self.server_state.tasks, timeout=LAST_WORDS)

    def _close_listeners(self) -> None:
        for server in self.servers:
            server.close()

    def _protocol(self) -> asyncio.Protocol:
        """As uvicorn makes one for each connection."""
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made
