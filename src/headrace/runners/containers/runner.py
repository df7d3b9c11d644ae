"""Images as containers of an engine: loaded once, started with every limit, found again and removed after a restart."""

import asyncio
import logging
import os
import re
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from headrace.domain.errors import HeadraceError, NotFound, StorageFailed, Unavailable, Unsupported
from headrace.domain.reach import Shared
from headrace.domain.replica import ImageLaunch, Isolation
from headrace.runners.containers import calls
from headrace.runners.containers.box import Box, body
from headrace.runners.containers.container import Container, Way
from headrace.runners.containers.counters import Counters
from headrace.runners.containers.engine import Engine, Started
from headrace.runners.containers.find import Found, find
from headrace.runners.containers.watch import Watch, closing
from headrace.runners.image_start import SHARED, candidate_ports
from headrace.runners.limits import limits_of
from headrace.runners.log import Log, sweep
from headrace.runners.runner import ImageStore
from headrace.settings import RunnerSettings

ODD = re.compile(r"[^A-Za-z0-9._-]")
INSTALLATION = 12  # digits of it in the names of images

logger = logging.getLogger(__name__)


class ContainerRunner:
    """The engine is looked for when it is first needed: a server that runs no images pays nothing for this."""

    def __init__(self, settings: RunnerSettings, data: Path, store: ImageStore) -> None:
        self._settings, self._data, self._store = settings, data.absolute(), store
        self._folders, self._logs = self._data / "containers", self._data / "logs"
        self._had = self._folders.exists()  # an earlier server ran containers, and may have left some
        shutil.rmtree(self._folders, ignore_errors=True)
        self._found: Found | None = None
        self._lost: list[Found] = []
        self._finding = asyncio.Lock()
        self._loading = asyncio.Lock()
        self._published = False  # no container can be reached through its network namespace
        self._started = 0

    @property
    def isolation(self) -> Isolation:
        return Isolation.CONTAINER_PUBLISHED if self._published else Isolation.CONTAINER

    async def open(self) -> Engine:
        """The engine, with what an earlier server left in it removed. Raises Unsupported, Unavailable."""
        async with self._finding:
            if self._found is None:
                found = await find(self._settings.engine, self._data)
                try:
                    await self._clear(found.engine)
                except BaseException:
                    await found.close()
                    raise
                self._found = found
                logger.info("images run as containers of %s", found.engine)
            return self._found.engine

    async def recover(self) -> None:
        """At the start: containers that an earlier server left are removed, also when no image is asked for."""
        if self._had:
            with suppress(HeadraceError):
                await self.open()

    async def close(self) -> None:
        """All replicas have ended. A container whose making was cancelled half-way may be there still."""
        everything = [*self._lost, *([self._found] if self._found else [])]
        self._found, self._lost = None, []
        for found in everything:
            with suppress(HeadraceError):
                await self._clear(found.engine)
            await found.close()

    async def prepare(self, digest: str, report: Callable[[int], None]) -> None:
        """The image in the engine; `report` is told percentages. Raises as `start` does."""
        engine, tag = await self.open(), self._tag(digest)
        async with self._loading:
            if not await engine.has(tag):
                await engine.load(await self._store.archive(digest), tag, report)
                await self._forget_images(engine)
        report(100)

    async def start(self, launch: ImageLaunch) -> Container:
        """Raises Unsupported, Unavailable, ModelFailed when the image's program cannot be started."""
        try:
            engine = await self.open()
            _refuse_gpus(engine, launch)
            await self.prepare(launch.digest, lambda _: None)
            return await self._start(engine, launch)
        except Unavailable:
            await self._look_again()
            raise

    async def _start(self, engine: Engine, launch: ImageLaunch) -> Container:
        limits = limits_of(launch.hardware, self._settings, self._started)
        self._started += 1
        config = self._store.config(launch.digest)
        name = ODD.sub("_", launch.name)[:100]
        shared = self._new_folder(name)
        box = Box(
            launch=launch,
            image=self._tag(launch.digest),
            config=config,
            limits=limits,
            installation=installation(self._data),
            shared=shared,
            published=self._published,
            seccomp=self._seccomp(engine),
        )
        sweep(self._logs)
        try:
            started = await self._boxed(engine, box, self._logs / f"{name}.log")
        except BaseException:
            shutil.rmtree(shared.folder.parent, ignore_errors=True)
            raise
        if started is None:
            logger.warning("containers of %s can only be reached by published ports: they have a network", engine)
            self._published = True
            return await self._start(engine, launch)
        return started

    async def _boxed(self, engine: Engine, box: Box, log: Path) -> Container | None:
        """None when the container runs where its network namespace cannot be entered from here."""
        container = await engine.create(f"{box.launch.name}-{secrets.token_hex(3)}", body(box))
        watch = Watch(engine.address, container, box.limits, Log(log), box.shared)
        way = None
        try:
            with closing(watch):
                await watch.start()
                started = await engine.start(container)
                counters = Counters(started.pid, container)
                watch.counted(counters)
                way = _way(box, started) if counters.known or box.published else None
        finally:
            if way is None:
                watch.give_up()
                await asyncio.shield(engine.remove(container))
        return None if way is None else Container(box.launch.name, engine, container, log, watch, way)

    async def _forget_images(self, engine: Engine) -> None:
        """Those that our own store holds no more; one that a container still uses stays until the next time."""
        for tag in await engine.tags(self._repository):
            try:
                self._store.config(f"sha256:{tag.rpartition(':')[2]}")
            except NotFound:
                await engine.forget(tag)
            except StorageFailed:
                continue

    def _tag(self, digest: str) -> str:
        return f"{self._repository}:{digest.partition(':')[2]}"

    @property
    def _repository(self) -> str:
        """What this installation calls its images in the engine. Other names there are never touched."""
        return f"localhost/headrace/{installation(self._data)[:INSTALLATION]}"

    def _seccomp(self, engine: Engine) -> str:
        """Docker takes the profile itself; podman the name of a file, also over the API."""
        if engine.name == "docker":
            return calls.profile()
        file = self._folders.parent / "seccomp.json"
        if not file.exists() or file.read_text() != calls.profile():
            file.write_text(calls.profile())
        return str(file)

    def _new_folder(self, name: str) -> Shared:
        """Readable for whoever the model is inside; nobody else on this machine comes as far as this."""
        shared = self._folders / f"{name}-{secrets.token_hex(4)}" / "shared"
        self._folders.mkdir(mode=0o700, parents=True, exist_ok=True)
        shared.mkdir(parents=True)
        shared.chmod(0o755)
        return Shared(shared, SHARED)

    async def _look_again(self) -> None:
        """The engine did not answer: perhaps it was restarted, perhaps there is another one now.

        Containers that still run keep the old connection, until the end.
        """
        async with self._finding:
            if self._found is not None and not await self._found.engine.alive():
                self._lost.append(self._found)
                self._found = None

    async def _clear(self, engine: Engine) -> None:
        for container in await engine.of(installation(self._data)):
            await engine.remove(container)
            logger.info("removed a container that was left over: %s", container[:12])


def _way(box: Box, started: Started) -> Way:
    launch = box.launch
    ports = (launch.port,) if launch.contract and launch.port else tuple(candidate_ports(box.config, launch.port))
    return Way(started, box.published, box.config, launch.contract, ports, box.shared)


def installation(data: Path) -> str:
    """What the containers of this data folder are known by."""
    file = data / "installation"
    with suppress(FileExistsError):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as new:
            new.write(secrets.token_hex(16))
    return file.read_text().strip()


def _refuse_gpus(engine: Engine, launch: ImageLaunch) -> None:
    if launch.hardware.gpu_units and engine.name == "podman":
        raise Unsupported(
            f"this version asks for {launch.hardware.gpu_units} GPU units, and podman would start it without them: "
            "choose a requirement without GPU, or run docker with NVIDIA's container toolkit"
        )
