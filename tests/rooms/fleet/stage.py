"""A fleet on a stage: a real database in memory, and a runner whose replicas are ten-line models in this process."""

import asyncio
import itertools
import socket
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from databases import with_tables
from rooms.fleet.acting import Shout

from headrace.catalog.models import Models
from headrace.catalog.versions import Versions
from headrace.dialects.dialect import Told
from headrace.domain.account import Principal, Role, Status, User
from headrace.domain.ids import VersionKey
from headrace.domain.image import FolderRecipe
from headrace.domain.replica import Isolation, Launch
from headrace.domain.version import Processing, Step, StepState, Version, VersionStatus
from headrace.fleet.demand import Demand
from headrace.fleet.lifecycle import Lifecycle, Runners
from headrace.fleet.reconcile import Fleet
from headrace.fleet.routing import Routing
from headrace.inference.ask import Ask
from headrace.runners.runner import Ending
from headrace.settings import FleetSettings
from headrace.storage.sqlite import Sqlite

ANN = Principal(
    "acme", "t", User("u", "ann", "ann@example.com", "Ann", "Lee", "", Status.ACTIVE, 0), "k", frozenset(Role)
)
DONE = Step(StepState.DONE, 1, "", 100)
RECIPE = FolderRecipe("models/shout", "environments/bare/bin/python", "model.py:Model")
_numbers = itertools.count()


class Acted:
    """A replica that acts in this process. `end` ends it as if its process had ended."""

    def __init__(self, launch: Launch, shout: Shout, log: Path) -> None:
        self.name, self.launch, self.shout, self.log = launch.name, launch, shout, log
        self.connection, self._other = socket.socketpair()
        self._ending: Ending | None = None
        self._over = asyncio.Event()
        self.stopped = False

    def end(self, ending: Ending) -> None:
        self._ending = ending
        self._over.set()

    async def ended(self) -> Ending:
        await self._over.wait()
        assert self._ending is not None
        return self._ending

    async def stop(self, _grace: float) -> Ending:
        self.stopped = True
        for one in (self.connection, self._other):
            one.close()
        return self._ending or Ending(signal=15)


class ActingRunner:
    isolation = Isolation.PROCESS

    def __init__(self, log: Path, play: Callable[[], Shout] = Shout) -> None:
        self.play, self._log = play, log
        self.acted: list[Acted] = []

    async def start(self, launch: Launch) -> Acted:
        acted = Acted(launch, self.play(), self._log)
        self.acted.append(acted)
        return acted

    def dial(self, connection: socket.socket, _told: Told) -> Shout:
        return next(acted.shout for acted in self.acted if acted.connection is connection)

    @property
    def alive(self) -> list[Acted]:
        return [acted for acted in self.acted if not acted.stopped]


def new_database():
    """Of the next stage. Tests that are to run on PostgreSQL too put that here."""
    return Sqlite(":memory:")


class Stage:
    def __init__(self, folder: Path, runner=None, dial=None, **settings: float) -> None:
        self.database = new_database()
        self.models, self.versions = Models(self.database), Versions(self.database)
        self.demand = Demand()
        self.routing = Routing(self.demand)
        self.runner = runner or ActingRunner(folder / "log.txt")
        self.lifecycle = Lifecycle(Runners(self.runner), dial or self.runner.dial, self.routing, folder, 0.1)
        quick = {"first_delay": 0.01, "longest_delay": 0.05, "look": 0.05} | settings
        self.fleet = Fleet(self.versions, self.routing, self.demand, self.lifecycle, FleetSettings(**quick))
        self.ask = Ask(self.routing)

    async def open(self) -> None:
        with_tables(self.database)

    async def version(
        self, minimum: int = 0, maximum: int = 1, status: VersionStatus = VersionStatus.ACTIVE, **fields: object
    ) -> VersionKey:
        model = await self.models.create(f"shout {next(_numbers)}", "1.0.0", ANN, 1)
        key = VersionKey(model.identifier, "1.0.0")
        ready = {"image_step": DONE, "load": DONE, "run": DONE, "recipe": RECIPE} | fields
        await self.change(key, status=status, processing=Processing(minimum, maximum), **ready)
        return key

    async def change(self, key: VersionKey, **fields: object) -> Version:
        changed = await self.versions.change(key, lambda old: replace(old, **fields), 2)
        self.fleet.changed()
        return changed

    async def version_processing(self, key: VersionKey, minimum: int, maximum: int) -> None:
        await self.change(key, processing=Processing(minimum, maximum))

    async def until(self, fact: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not fact():
                await asyncio.sleep(0.002)


@asynccontextmanager
async def stage(folder: Path, runner=None, dial=None, **settings: float):
    built = Stage(folder, runner, dial, **settings)
    await built.open()
    loops = [asyncio.create_task(loop()) for loop in (built.fleet.run, built.ask.run)]
    try:
        yield built
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)
        built.database.close()
        for loop in loops:
            if not loop.cancelled():
                loop.result()
