"""Keeps the zoo of bad images: starts one, asks it, and does what the fleet does when it misbehaves."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from engines.boxes.closure import Built
from engines.boxes.shelf import Shelf
from engines.boxes.zoo import Zoo

from headrace.dialects.contract import ByContract
from headrace.dialects.dialect import Told
from headrace.domain.body import BodyStore
from headrace.domain.errors import LimitReached, ReplicaLost
from headrace.domain.question import Answer, Question
from headrace.domain.replica import Hardware, ImageLaunch
from headrace.fleet.listening import listening
from headrace.runners.containers.runner import ContainerRunner
from headrace.runners.rootfs import RootfsRunner
from headrace.runners.runner import Ending, Running
from headrace.settings import RunnerSettings
from headrace.storage.blobs import FolderBlobs

SETTINGS = RunnerSettings(processes=40, disk=64 << 20, output=32 << 20)
HARDWARE = Hardware(memory_bytes=256 << 20)
READY = 60.0  # seconds: only tests about being late wait less
PATIENCE = 30.0


@dataclass
class BoxKeeper:
    runner: ContainerRunner | RootfsRunner
    store: BodyStore
    zoo: Zoo
    data: Path
    url: str = ""
    starts: int = 0
    endings: list[Ending] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)

    def runner_on(self, images: Mapping[str, Built]) -> ContainerRunner:
        """Another one of the same installation, with a store of its own."""
        return ContainerRunner(replace(SETTINGS, engine=self.url), self.data, Shelf(self.zoo.roots, images))

    @asynccontextmanager
    async def box(self, image: Built, told: Told, **launch: object) -> AsyncIterator[tuple[Running, ByContract]]:
        """A replica that is not loaded yet. It is ended in any case, and its ending kept."""
        self.starts += 1
        hardware = launch.pop("hardware", HARDWARE)
        running = await self.runner.start(
            ImageLaunch(f"box-{self.starts}", image.digest, "zoo:latest", hardware, **launch)
        )
        self.logs.append(running.log)
        dialect = listening(running.connection, told, self.store, SETTINGS.output)
        try:
            yield running, dialect
        finally:
            await dialect.part()
            dialect.close()
            self.endings.append(await running.stop(0.3))

    @asynccontextmanager
    async def loaded(self, image: Built, told: Told | None = None, **launch: object) -> AsyncIterator["Asked"]:
        async with self.box(image, told or Told("zoo", "1.0.0"), **launch) as (running, dialect):
            await dialect.ready(READY)
            yield Asked(running, dialect)


@dataclass
class Asked:
    running: Running
    dialect: ByContract

    async def ask(self, *texts: bytes, timeout: float = PATIENCE) -> list[str]:
        """For each input "fine", or what was given, or why not. A lost replica is told by its own error."""
        return [
            said(answer) for answer in await self.answers([Question({"input.txt": text}) for text in texts], timeout)
        ]

    async def answers(self, questions: Sequence[Question], timeout: float = PATIENCE) -> list[Answer]:
        return [answer async for answer in self.dialect.run(questions, timeout)]

    async def trouble(self, text: bytes, timeout: float = PATIENCE) -> str:
        """What is said of an input that costs the replica."""
        try:
            return (await self.ask(text, timeout=timeout))[0]
        except (LimitReached, ReplicaLost) as error:
            async with asyncio.timeout(PATIENCE):
                if isinstance(error, LimitReached):
                    return error.message
                fate = await self._fate()
            return f"{error.message}: {fate}"

    async def _fate(self) -> str:
        """As the fleet waits for it: a connection that was closed need not be the end."""
        try:
            async with asyncio.timeout(2):
                return (await self.running.ended()).sentence
        except TimeoutError:
            return "it runs on"


def said(answer: Answer) -> str:
    if answer.error is not None:
        return answer.error
    if list(answer.outputs) == ["results.json"] and answer.outputs["results.json"].body == b'{"fine": true}':
        return "fine"
    return str({name: output.body for name, output in answer.outputs.items()})


@asynccontextmanager
async def keeper(kind: str, url: str, zoo: Zoo, folder: Path) -> AsyncIterator[BoxKeeper]:
    data = folder / "data"
    data.mkdir(exist_ok=True)
    store = FolderBlobs(data / "blobs", b"k" * 32)
    shelf = Shelf(zoo.roots, zoo.images)
    if kind == "rootfs":
        yield BoxKeeper(RootfsRunner(SETTINGS, data, shelf), store, zoo, data)
        return
    runner = ContainerRunner(replace(SETTINGS, engine=url), data, shelf)
    try:
        yield BoxKeeper(runner, store, zoo, data, url)
    finally:
        await runner.close()
