"""One replica from start to end: start it, let it load, offer its seat, wait until it ends, clear away."""

import asyncio
import re
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from headrace import faults
from headrace.dialects.dialect import Dialect, Parting, ReplicaInfo, Told
from headrace.domain.clock import Millis, now
from headrace.domain.errors import HeadraceError, LimitReached, ModelFailed, NotReady, ReplicaLost, Unsupported
from headrace.domain.image import FolderRecipe, ImageRecipe
from headrace.domain.reach import Reach
from headrace.domain.replica import Hardware, ImageLaunch, Isolation, Launch, ReplicaState
from headrace.domain.version import Version
from headrace.fleet.first import first
from headrace.fleet.routing import Routing
from headrace.fleet.seat import FATE, Replica
from headrace.runners.log import tail
from headrace.runners.runner import Ending, ImageRunner, Runner, Running

Dial = Callable[[socket.socket | Reach, Told], Dialect]
FAREWELL = 1.0  # seconds in which a model that listens may answer that it will end
_NOT_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(slots=True, eq=False)
class Life:
    """What is known of one replica from the outside, while it lives."""

    version: Version
    name: str
    created: Millis = field(default_factory=now)
    state: ReplicaState = ReplicaState.SPINNING_UP
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    replica: Replica | None = None
    info: ReplicaInfo | None = None
    isolation: Isolation = Isolation.PROCESS

    @property
    def ready(self) -> bool:
        return self.state is ReplicaState.READY

    @property
    def stopping(self) -> bool:
        return self.stop.is_set() or self.state is ReplicaState.SPINNING_DOWN

    @property
    def busy(self) -> bool:
        return self.replica is not None and self.replica.taken > 0

    @property
    def last_work(self) -> Millis:
        return self.created if self.replica is None else self.replica.last_work

    def same_as(self, version: Version) -> bool:
        """Whether a replica that is started now would be the same program on the same hardware."""
        return _program(self.version) == _program(version)


def engine_name(version: Version) -> str:
    """As the platform names them: model-batch-<model>-<version with dashes>-… (contracts/modzy.md, A.7)."""
    number = _NOT_NAME.sub("-", version.key.version.lower())
    return f"model-batch-{version.key.model}-{number}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Runners:
    """`images`: None where this installation runs none."""

    folders: Runner
    images: ImageRunner | None = None


class Lifecycle:
    def __init__(self, runners: Runners, dial: Dial, routing: Routing, data: Path, stop_grace: float) -> None:
        self._runners, self._dial, self._routing = runners, dial, routing
        self._data, self._stop_grace = data.absolute(), stop_grace

    async def prepare(self, version: Version, report: Callable[[int], None]) -> None:
        """What takes long and is done once for all replicas: `report` is told percentages. Raises as a start does."""
        if isinstance(version.recipe, ImageRecipe):
            await self._images.prepare(version.recipe.digest, report)

    async def live(self, life: Life, on_ready: Callable[[Life], None]) -> None:
        """Returns when the replica was stopped. Raises the reason when it failed or ended by itself."""
        running = await self._start(life)
        try:
            dialect = self._dial(running.connection, _told(life.version))
            try:
                await self._load_and_serve(life, running, dialect, on_ready)
            finally:
                await self._part(life, dialect)
        finally:
            life.state = ReplicaState.SPINNING_DOWN
            faults.point("replica.stop.before")
            await running.stop(self._stop_grace)
            faults.point("replica.stop.after")

    async def _part(self, life: Life, dialect: Dialect) -> None:
        """A model that listens is asked to end by itself, unless it has shown that it would not hear."""
        try:
            if isinstance(dialect, Parting):
                if life.replica is not None and not life.replica.broken.is_set():
                    await dialect.leave(FAREWELL)
                await dialect.part()
        finally:
            dialect.close()

    async def _start(self, life: Life) -> Running:
        version, recipe = life.version, life.version.recipe
        runner: Runner | ImageRunner
        match recipe:
            case FolderRecipe():
                running = await self._runners.folders.start(self._launch(version, recipe, life.name))
                runner = self._runners.folders
            case ImageRecipe():
                running = await self._images.start(_image_launch(version, recipe, life.name))
                runner = self._images
            case None:
                raise NotReady(f"version {version.key} has no imported image yet")
        life.isolation = runner.isolation
        return running

    @property
    def _images(self) -> ImageRunner:
        if self._runners.images is None:
            raise Unsupported("this installation runs no container images")
        return self._runners.images

    def _launch(self, version: Version, recipe: FolderRecipe, name: str) -> Launch:
        return Launch(
            name=name,
            folder=str(self._data / recipe.folder),
            python=str(self._data / recipe.environment),
            entry=recipe.entry,
            hardware=version.requirement.hardware,
            environment=recipe.variables,
            model=version.key.model,
            version=version.key.version,
        )

    async def _load_and_serve(
        self, life: Life, running: Running, dialect: Dialect, on_ready: Callable[[Life], None]
    ) -> None:
        faults.point("replica.started")
        info = await _loaded(life, running, dialect)
        if info is None:
            return
        replica = life.replica = Replica(life.name, dialect, info)
        life.info, life.state = info, ReplicaState.READY
        self._routing.add(life.version.key, replica)
        faults.point("replica.ready")
        on_ready(life)
        try:
            await self._serve(life, running, replica)
        finally:
            self._routing.remove(life.version.key, replica)

    async def _serve(self, life: Life, running: Running, replica: Replica) -> None:
        what, value = await first(running.ended(), replica.broken.wait(), life.stop.wait())
        if what == 0:
            error = await _ended(value, running, "after it was ready")
            replica.gone(error.message)
            raise error
        if replica.broken.is_set():
            if replica.blame:
                raise ModelFailed(replica.trouble, technical=await _log_tail(running))
            return
        life.state = ReplicaState.SPINNING_DOWN
        self._routing.remove(life.version.key, replica)
        longest = life.version.timeout.run / 1000 + self._stop_grace
        await first(replica.free(), replica.broken.wait(), running.ended(), asyncio.sleep(longest))


def _image_launch(version: Version, recipe: ImageRecipe, name: str) -> ImageLaunch:
    return ImageLaunch(
        name=name,
        digest=recipe.digest,
        reference=recipe.reference,
        hardware=version.requirement.hardware,
        contract=recipe.contract,
        port=recipe.port,
        model=version.key.model,
        version=version.key.version,
    )


def _told(version: Version) -> Told:
    return Told(
        model=version.key.model,
        version=version.key.version,
        inputs=tuple(spec.name for spec in version.inputs),
        outputs=tuple(spec.name for spec in version.outputs),
        tensors=version.recipe.tensors if isinstance(version.recipe, FolderRecipe) else "",
    )


async def _loaded(life: Life, running: Running, dialect: Dialect) -> ReplicaInfo | None:
    """What the replica says of itself once it is loaded; None when it was stopped before."""
    try:
        seconds = life.version.timeout.status / 1000
        what, value = await first(dialect.ready(seconds), running.ended(), life.stop.wait())
    except LimitReached as error:
        error.technical = error.technical or await _log_tail(running)
        raise
    except (ModelFailed, ReplicaLost) as error:
        if error.technical:  # the model's own code said why
            raise
        raise await _why_lost(error, running) from None
    if what == 1:
        raise await _ended(value, running, "before it was ready")
    return value if what == 0 and isinstance(value, ReplicaInfo) else None


async def _why_lost(error: HeadraceError, running: Running) -> HeadraceError:
    """A closed connection is what we see first; the runner knows why a moment later."""
    try:
        async with asyncio.timeout(FATE):
            ending = await running.ended()
    except TimeoutError:
        return ModelFailed(error.message, technical=await _log_tail(running))
    return await _ended(ending, running, "before it was ready")


async def _ended(ending: Ending, running: Running, when: str) -> ModelFailed:
    tail = await _log_tail(running)
    if ending.limit:
        return LimitReached(f"the model was stopped {when}: {ending.limit}", technical=tail)
    last = next((line for line in reversed(tail.splitlines()) if line.strip()), "")
    words = f"; the last line of its log: {last.strip()[:300]}" if last else ""
    return ModelFailed(f"the model's process ended {when}: {ending.sentence}{words}", technical=tail)


async def _log_tail(running: Running) -> str:
    return await asyncio.to_thread(tail, running.log)


def _program(version: Version) -> tuple[FolderRecipe | str | None, Hardware]:
    """What the load test found out about an image does not make another program of it."""
    recipe = version.recipe
    return recipe.digest if isinstance(recipe, ImageRecipe) else recipe, version.requirement.hardware
