"""The gRPC door: listens, lets connections in, looks after them, and closes without losing a call."""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress

from headrace.api.callers import Callers
from headrace.api.crowd import room_among
from headrace.api.drain import last_connections
from headrace.api.grpc.calls import Admit, Limits, Method
from headrace.api.grpc.connection import Connection
from headrace.api.grpc.desk import Desk
from headrace.api.grpc.headers import Head
from headrace.domain.account import Action, Principal
from headrace.telemetry.requests import Requests

log = logging.getLogger(__name__)

LOOK = 5.0  # seconds between two looks at the connections
BACKLOG = 2048
LAST_WORDS = 1.0  # seconds for those that are told at the end of a drain that there is no more time


def admit(callers: Callers) -> Admit:
    async def allowed(head: Head, actions: tuple[Action, ...]) -> Principal:
        return await callers.allowed(actions, *head.caller)

    return allowed


class Door:
    """`beside`: a loop that runs as long as the door does."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        admit: Admit,
        limits: Limits,
        requests: Requests | None = None,
        beside: Callable[[], Coroutine[None, None, None]] | None = None,
    ) -> None:
        self._methods, self._admit, self._limits, self._beside = methods, admit, limits, beside
        self.requests = requests or Requests("grpc")
        self._connections: set[Connection] = set()
        self._desk: Desk | None = None
        self._empty, self._came = asyncio.Event(), asyncio.Event()
        self._stop = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._listener: socket.socket | None = None

    @property
    def held(self) -> int:
        """Bytes that count against `limits.bodies`."""
        return self._limits.bodies.held

    async def serve(self, listener: socket.socket) -> None:
        """Until `drain`."""
        async with asyncio.TaskGroup() as group:
            self._desk = Desk(self._methods, self._admit, self._limits, group, self.requests)
            self._listener = listener
            self._server = await asyncio.get_running_loop().create_server(
                self._connection, sock=listener, backlog=BACKLOG
            )
            loops = [group.create_task(loop()) for loop in (self._look, self._beside) if loop is not None]
            try:
                await self._stop.wait()
            finally:
                for loop in loops:
                    loop.cancel()
                self._server.close()
                for connection in list(self._connections):
                    connection.abort()

    async def drain(self, grace: float) -> None:
        """No new calls; those that have begun get `grace` seconds."""
        if self._desk is not None and self._server is not None and self._listener is not None:
            self._desk.draining = True
            loop = asyncio.get_running_loop()
            for waiting in last_connections([self._listener], self._server.close):
                waiting.settimeout(0)
                await loop.connect_accepted_socket(self._connection, waiting)
            for connection in list(self._connections):
                connection.drain()
            try:
                async with asyncio.timeout(grace):
                    await self._emptied()
            except TimeoutError:
                log.warning("%d gRPC connections were still busy after %g seconds", len(self._connections), grace)
                await self._finish()
        self._stop.set()

    async def _finish(self) -> None:
        """Nobody is left without a word."""
        for connection in list(self._connections):
            connection.finish()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await self._emptied()

    async def _emptied(self) -> None:
        while self._connections:
            self._empty.clear()
            await self._empty.wait()

    def _connection(self) -> Connection:
        assert self._desk is not None  # noqa: S101 - connections come after `serve`
        connection = Connection(self._desk, self._left)
        full = len(self._connections) >= self._limits.connections
        if full and not room_among(self._connections, asyncio.get_running_loop().time()):
            connection.turn_away()
        self._connections.add(connection)
        self._came.set()
        return connection

    def _left(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    async def _look(self) -> None:
        while True:
            await self._came.wait()  # while nobody is connected there is nothing to look at
            if not self._connections:
                self._came.clear()
                continue
            await asyncio.sleep(LOOK)
            now = asyncio.get_running_loop().time()
            for connection in list(self._connections):
                connection.look(now)
