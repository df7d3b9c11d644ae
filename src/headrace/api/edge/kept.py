"""Inferences of the edge API, from the question until their clients have asked for the answer.

In memory only: what has to outlive the server is a job.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from headrace.api.edge.proto.edge_inferences_pb2 import Inference
from headrace.domain.account import Principal
from headrace.domain.errors import NotFound
from headrace.settings import EdgeSettings


@dataclass(slots=True, eq=False)
class Kept:
    """`told` is what clients get; `error` is why it has failed."""

    account: str
    user: str
    told: Inference
    task: asyncio.Task[None] | None = None
    error: Exception | None = None
    ended: float | None = None  # by the clock of Inferences
    size: int = 0  # bytes of `told`, once it has ended
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def call_off(self) -> None:
        if self.task is not None:
            self.task.cancel()


class Inferences:
    """Those that have ended leave when they are too old or too many; those under way stay."""

    def __init__(self, settings: EdgeSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._kept: dict[str, Kept] = {}
        self._ended: dict[str, Kept] = {}  # the oldest first
        self.bytes = 0  # of those that have ended

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, principal: Principal, told: Inference) -> Kept:
        kept = self._kept[told.identifier] = Kept(principal.account, principal.user.identifier, told)
        return kept

    def end(self, kept: Kept) -> None:
        kept.ended, kept.size = self._clock(), kept.told.ByteSize()
        kept.over.set()
        if self._kept.get(kept.told.identifier) is kept:
            self._ended[kept.told.identifier] = kept
            self.bytes += kept.size
            self._leave()

    def get(self, principal: Principal, identifier: str) -> Kept:
        """Raises NotFound, also for what somebody else has asked."""
        self._leave()
        kept = self._kept.get(identifier)
        if kept is None or (kept.account, kept.user) != (principal.account, principal.user.identifier):
            raise NotFound(
                f"there is no inference {identifier[:100]!r}: an answer is kept for {self._settings.keep:g} seconds, "
                "and not over a restart of the server. What has to last longer is a job"
            )
        return kept

    def drop(self, kept: Kept) -> None:
        """Its client has heard all."""
        self._kept.pop(kept.told.identifier, None)
        if self._ended.pop(kept.told.identifier, None) is not None:
            self.bytes -= kept.size

    def _leave(self) -> None:
        oldest = self._clock() - self._settings.keep
        while self._ended:
            kept = next(iter(self._ended.values()))
            assert kept.ended is not None  # noqa: S101 - it is among those that have ended
            alone = len(self._ended) == 1
            if kept.ended > oldest and (alone or self.bytes <= self._settings.keep_bytes):
                return
            self.drop(kept)
