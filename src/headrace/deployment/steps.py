"""The loop behind the long steps of a deployment: each runs on when its caller has gone, and again after a restart."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from enum import StrEnum

from headrace import faults
from headrace.catalog.versions import Versions
from headrace.deployment.turns import Turns
from headrace.domain.clock import now
from headrace.domain.errors import HeadraceError, StorageFailed
from headrace.domain.ids import VersionKey
from headrace.domain.version import Step, StepState, Version

UNDER_WAY = frozenset({StepState.WAITING, StepState.RUNNING})
LOOK = 0.5  # seconds between two looks at the steps of other servers
AGAIN = 5.0  # seconds until unfinished steps are looked for again while the database cannot be read

logger = logging.getLogger(__name__)


class StepKind(StrEnum):
    """By the name of the field of Version that holds the step."""

    IMAGE = "image_step"
    LOAD = "load"
    RUN = "run"

    def of(self, version: Version) -> Step:
        match self:
            case StepKind.IMAGE:
                return version.image_step
            case StepKind.LOAD:
                return version.load
            case StepKind.RUN:
                return version.run


# Steps of one kind at the same time. Imports keep a processor busy each; how many replicas there are the fleet decides.
AT_ONCE = {StepKind.IMAGE: 2, StepKind.LOAD: 16, StepKind.RUN: 16}

Work = Callable[[VersionKey], Awaitable[None]]
_Task = tuple[StepKind, VersionKey]


class Steps:
    """`works` does one step whole and writes its end into the version; it raises only what it did not expect."""

    def __init__(self, versions: Versions, works: Mapping[StepKind, Work]) -> None:
        self._versions, self._works = versions, works
        self.whose = Turns()
        self._under_way: dict[_Task, asyncio.Event] = {}
        self._queue: asyncio.Queue[_Task] = asyncio.Queue()
        self._turns = {kind: asyncio.Semaphore(AT_ONCE[kind]) for kind in StepKind}

    def under_way(self, kind: StepKind, key: VersionKey) -> bool:
        return (kind, key) in self._under_way

    def busy(self, kind: StepKind) -> bool:
        """Whether a step of this kind is under way for any version."""
        return any(other is kind for other, _ in self._under_way)

    def start(self, kind: StepKind, key: VersionKey) -> None:
        """Once: a step that is under way is not started beside itself."""
        if (kind, key) not in self._under_way:
            self._under_way[kind, key] = asyncio.Event()
            self._queue.put_nowait((kind, key))

    async def over(self, kind: StepKind, key: VersionKey) -> None:
        """Returns when the step is not under way (any more)."""
        event = self._under_way.get((kind, key))
        if event is not None:
            await event.wait()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._go_on())
            while True:
                task = await self._queue.get()
                group.create_task(self._one(*task))

    async def _go_on(self) -> None:
        """Whatever was under way when a server stopped starts again from its beginning.

        With several servers each waits for the end of all the others' steps, to go on with those of one that dies. Who
        was asked for a step comes first: the others begin to wait only when they see it for the second time.
        """
        seen: set[_Task] = set()
        while True:
            try:
                found = {
                    (kind, version.key)
                    for version in await self._versions.unfinished()
                    for kind in StepKind
                    if kind.of(version).state in UNDER_WAY
                }
            except StorageFailed as error:
                logger.warning("unfinished deployments wait: %s", error)
                await asyncio.sleep(AGAIN)
                continue
            for kind, key in found & seen if self.whose.shared else found:
                self.start(kind, key)
            if not self.whose.shared:
                return
            seen = found
            await asyncio.sleep(LOOK)

    async def _one(self, kind: StepKind, key: VersionKey) -> None:
        try:
            for earlier in list(StepKind)[: list(StepKind).index(kind)]:
                await self.over(earlier, key)
            if await self._is_ours(kind, key):
                async with self._turns[kind]:
                    await self._until_stored(kind, key, lambda: self._works[kind](key))
                await self._until_stored(kind, key, lambda: self.whose.give_back(kind, key))
        except Exception as error:  # one deployment's accident must not stop the loop that all others need
            logger.exception("the %s of %s", kind, key)
            await self._failed(kind, key, f"an unexpected fault of the server ({type(error).__name__})")
        finally:
            faults.point("step.ended")
            self._under_way.pop((kind, key)).set()

    async def _is_ours(self, kind: StepKind, key: VersionKey) -> bool:
        """False when another server has done it. While that one lives, this one waits.

        A turn may be free because the step has ended since the last look: that is seen only with the turn in hand.
        """
        if not self.whose.shared:
            return True
        while True:
            try:
                taken = await self.whose.take(kind, key)
                under_way = kind.of(await self._versions.get(key)).state in UNDER_WAY
                if taken and not under_way:
                    await self.whose.give_back(kind, key)
                if taken or not under_way:
                    return under_way
            except StorageFailed as error:
                logger.warning("the %s of %s waits for the database: %s", kind, key, error)
            await asyncio.sleep(LOOK)

    async def _until_stored(self, kind: StepKind, key: VersionKey, work: Callable[[], Awaitable[None]]) -> None:
        """A database that takes nothing just now is no end of a step: the step is done again when it does."""
        while True:
            try:
                faults.point("step.before")
                await work()
            except StorageFailed as error:
                logger.warning("the %s of %s waits for the database: %s", kind, key, error)
                await asyncio.sleep(AGAIN)
            else:
                return

    async def _failed(self, kind: StepKind, key: VersionKey, error: str) -> None:
        try:
            await self._versions.change(key, lambda version: fail(version, kind, error), now())
        except HeadraceError as second:
            logger.warning("the end of the %s of %s could not be stored: %s", kind, key, second)


def change_step(version: Version, kind: StepKind, step: Step) -> Version:
    """The first two are also told as percentages of the version's image."""
    match kind:
        case StepKind.IMAGE:
            image = replace(version.image, upload_percentage=step.percentage)
            return replace(version, image_step=step, image=image)
        case StepKind.LOAD:
            image = replace(version.image, load_percentage=step.percentage)
            return replace(version, load=step, image=image)
        case StepKind.RUN:
            return replace(version, run=step)


def fail(version: Version, kind: StepKind, error: str) -> Version:
    return change_step(version, kind, replace(kind.of(version), state=StepState.FAILED, error=error))


class Progress:
    """Writes how far a step is into its version, when that changes."""

    def __init__(self, versions: Versions, kind: StepKind, key: VersionKey) -> None:
        self._versions, self._kind, self._key = versions, kind, key
        self._last: Step | None = None

    async def tell(self, number: int, name: str, percentage: int) -> None:
        step = Step(StepState.RUNNING, number, name, percentage)
        if step != self._last:
            self._last = step
            await self.end(lambda version: change_step(version, self._kind, step))

    async def end(self, fn: Callable[[Version], Version]) -> Version:
        return await self._versions.change(self._key, fn, now())
