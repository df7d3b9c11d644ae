"""What replicas print, also after their end: kept by the runners, found here by the replica's name."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

from headrace.domain.clock import Millis
from headrace.domain.errors import NotFound
from headrace.runners.log import tail

LONGEST = 2 << 20  # bytes of a log that are told at once: all that is kept
_NAME = re.compile(r"model-batch-(?P<model>[a-z0-9]{1,64})-[a-z0-9-]{1,80}-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class KeptLog:
    """The newest come first in lists."""

    name: str  # of the replica
    model: str
    size: int  # bytes
    updated: Millis


class Logs:
    def __init__(self, data: Path) -> None:
        self._folder = data / "logs"

    async def kept(self) -> list[KeptLog]:
        return await asyncio.to_thread(self._kept)

    def model_of(self, name: str) -> str:
        """Raises NotFound for what is no replica's name."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise NotFound(f"there is no engine {name[:100]!r}")
        return match["model"]

    async def read(self, name: str, size: int) -> str:
        """Its last bytes as text. Raises NotFound when nothing of it is kept (any more)."""
        self.model_of(name)
        path = self._folder / f"{name}.log"
        if not await asyncio.to_thread(path.exists):
            raise NotFound(f"no log of engine {name} is kept")
        return await asyncio.to_thread(tail, path, min(size, LONGEST))

    def _kept(self) -> list[KeptLog]:
        found = []
        for path in self._folder.glob("model-batch-*.log"):
            match = _NAME.fullmatch(path.stem)
            if match is not None:
                about = path.stat()
                found.append(KeptLog(path.stem, match["model"], about.st_size, int(about.st_mtime * 1000)))
        return sorted(found, key=lambda log: log.updated, reverse=True)
