"""One running container, as the fleet and the dialects see it."""

import asyncio
import logging
import shutil
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from headrace.domain.errors import Unavailable
from headrace.domain.image import Contract, ImageConfig
from headrace.domain.reach import Reach, Shared
from headrace.runners.containers.engine import Engine, Started
from headrace.runners.containers.watch import Watch
from headrace.runners.dial import dial
from headrace.runners.runner import Ending

ASK_TO_STOP = "SIGTERM"
KILL, KILLING = "SIGKILL", 20.0  # seconds until it must be gone

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Way:
    """How the model is reached: Reach, for a container."""

    started: Started
    published: bool
    config: ImageConfig
    contract: Contract | None
    ports: tuple[int, ...]
    shared: Shared

    async def connect(self, port: int) -> socket.socket:
        if not self.published:
            return await dial(self.started.pid, port)
        outside = self.started.ports.get(port)
        if outside is None:
            raise ConnectionRefusedError(f"port {port} is not published")
        dialled = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            dialled.settimeout(0)
            await asyncio.get_running_loop().sock_connect(dialled, ("127.0.0.1", outside))
            dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            dialled.close()
            raise
        return dialled


class Container:
    """Running, for a container. Its folder is removed with it."""

    def __init__(self, name: str, engine: Engine, container: str, log: Path, watch: Watch, way: Way) -> None:
        self.name, self.log, self.way = name, log, way
        self.engine, self.container, self._watch = engine, container, watch

    @property
    def connection(self) -> Reach:
        return self.way

    async def ended(self) -> Ending:
        return await self._watch.ended()

    async def stop(self, grace: float) -> Ending:
        self._watch.asked = True
        try:
            ending = await self._ended_after(grace)
            await self.engine.remove(self.container)
        except (Unavailable, TimeoutError) as error:
            logger.warning("container %s is left over, and removed at the next start: %s", self.name, error)
            return Ending(code=-1)
        else:
            return ending
        finally:
            await asyncio.to_thread(shutil.rmtree, self.way.shared.folder.parent, ignore_errors=True)

    async def _ended_after(self, grace: float) -> Ending:
        """Asked, then killed; how it ended is known before it is removed. Raises Unavailable, TimeoutError."""
        for signal, seconds in ((self.way.config.stop_signal or ASK_TO_STOP, grace), (KILL, KILLING)):
            if not self._watch.over:
                await self.engine.signal(self.container, signal)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    return await self._watch.ended()
        raise TimeoutError("it cannot be killed")
