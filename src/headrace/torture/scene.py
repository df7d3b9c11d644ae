"""One round's stage: a copy of the installation, its server, its clients, and what was found."""

import asyncio
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from headrace import faults
from headrace.torture import checker, installation
from headrace.torture.clients import Round
from headrace.torture.cluster import Cluster
from headrace.torture.installation import Template
from headrace.torture.ledger import Ledger
from headrace.torture.plan import Kill, Plan
from headrace.torture.power import PowerDisk
from headrace.torture.server import GONE, NotStarted, Server, Servers, processes, tell

LIFE = 8.0  # seconds that a kill is waited for
OLD = 3 * 24 * 3600.0  # seconds
ORDERED_END = 60.0  # seconds from SIGTERM to the end
LOOK = 0.02
MADE_ANEW = ("spool", "imports")  # folders that must be on disk as soon as something in them counts


@dataclass(slots=True)
class Outcome:
    """What one round has shown."""

    plan: Plan
    faults: list[str] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)  # that happened where they were planned
    missed: list[str] = field(default_factory=list)  # killed somewhere else, because the place was not passed
    cuts: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)  # seconds from the start after a crash to /readyz
    resumed: list[float] = field(default_factory=list)  # seconds from the end of a trouble to the next acknowledged job
    taken: list[float] = field(default_factory=list)  # seconds until a server that is gone had nothing under way
    passed: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    log: str = ""


class Scene:
    def __init__(
        self, plan: Plan, folder: Path, template: Template, servers: Servers, settings: tuple[str, ...]
    ) -> None:
        self.plan, self.folder, self.template = plan, folder, template
        self.disk: PowerDisk | None = None
        self.cluster: Cluster | None = None
        self.data = folder / "data"
        self.ledger, self.outcome = Ledger(), Outcome(plan)
        self.clock = folder / "clock"
        self._log, self._passed = folder / "server.log", folder / "passed"
        self._servers, self._settings, self._port = servers, settings, installation.free_port()
        self._server: Server | None = None
        self._second: Server | None = None
        self._crashed = False

    @property
    def server(self) -> Server:
        if self._server is None:
            raise RuntimeError("the scene was not prepared")
        return self._server

    @property
    def second(self) -> Server:
        """Another server of the same installation, in rounds that have one."""
        if self._second is None:
            raise RuntimeError("this round has no second server")
        return self._second

    @property
    def database(self) -> Cluster:
        if self.cluster is None:
            raise RuntimeError("this round needs a PostgreSQL")
        return self.cluster

    @property
    def power(self) -> PowerDisk:
        if self.disk is None:
            raise RuntimeError("this round needs a disk that can be cut off")
        return self.disk

    async def prepare(self, *, on_disk: bool, pair: bool = False) -> None:
        """`on_disk`: on a disk that can be cut off; `pair`: with a second server.

        The first round of an installation begins with nothing.
        """
        self.folder.mkdir(parents=True)
        self.clock.write_text("0")
        if on_disk:
            self.disk = PowerDisk(self.folder / "mount", self.folder / "mount.log")
            self.data = self.disk.folder / "data"
            await self.disk.start()
        if not self.plan.first:
            await asyncio.to_thread(installation.copy, self.template, self.data)
        if self.disk is not None:
            for name in MADE_ANEW:
                shutil.rmtree(self.data / name, ignore_errors=True)
            await asyncio.to_thread(self.disk.sync)
        settings = self._settings
        if self.template.cluster is not None:
            self.cluster = await asyncio.to_thread(self._database, self.template.cluster)
            settings = (*settings, f"storage.url={self.cluster.url}")
        if pair:
            settings = (*settings, f"storage.blobs={self.data / 'blobs'}")
            self._second = self._servers(self._joined(), installation.free_port(), settings, self.folder / "second.log")
        self._server = self._servers(self.data, self._port, settings, self._log)

    def _joined(self) -> Path:
        """The data folder of a further server: it has the secrets, and nothing else."""
        data = self.folder / "second"
        shutil.copytree(self.data / "secrets", data / "secrets")
        shutil.copyfile(self.data / "client.toml", data / "client.toml")
        return data

    def _database(self, template: Cluster) -> Cluster:
        """An empty one for an installation that has never been started."""
        if not self.plan.first:
            cluster = template.copy_to(self.folder / "pg")
            cluster.start()
            return cluster
        cluster = Cluster(self.folder / "pg")
        cluster.folder.mkdir()
        cluster.make()
        return cluster

    def shared(self) -> Round:
        urls = tuple(server.url for server in (self._server, self._second) if server is not None)
        return Round(urls, self.template.model, self.ledger, idempotent=self.template.idempotent)

    async def begin(self, kill: Kill | None = None) -> bool:
        """False when it ended before it was ready: a place on the way was its last."""
        return await self._begin(kill) is not None

    async def begin_second(self) -> None:
        await asyncio.to_thread(self.second.start, {})

    async def begin_with_key(self) -> str:
        """The same; the administrator's key."""
        return await self._begin(None) or ""

    async def _begin(self, kill: Kill | None) -> str | None:
        words = [f"log={self._passed}", f"clock={self.clock}"]
        words += [f"kill={kill}"] if kill else []
        words += [f"sync={self.disk.folder}/.sync"] if self.disk else []
        began = time.monotonic()
        try:
            key = await asyncio.to_thread(self.server.start, {faults.VARIABLE: " ".join(words)})
        except NotStarted as error:
            if self.server.ended != -signal.SIGKILL:
                self.outcome.faults.append(f"the server did not start: {error}")
                raise
            return None
        if self._crashed:
            self.outcome.recoveries.append(time.monotonic() - began)
        self._crashed = False
        return key

    async def life(self, kill: Kill, meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
        """From a start to the kill. A place that is not passed in time is made up for by a kill from outside.

        `meanwhile` is done again and again until then.
        """
        await self.begin(kill)
        deadline = time.monotonic() + LIFE
        while self.server.ended is None and time.monotonic() < deadline:
            await (meanwhile() if meanwhile else asyncio.sleep(LOOK))
        there = self.server.ended is not None
        if self.server.ended not in (None, -signal.SIGKILL):
            self.outcome.faults.append(f"the server ended by itself: {self.server.ended}\n{self.server.last_lines()}")
        await self.crash()
        (self.outcome.kills if there else self.outcome.missed).append(str(kill))

    async def crash(self) -> None:
        """The server is dead, its replicas find out by themselves."""
        self.server.kill()
        self._crashed = True
        self._count_points()

    def set_clock(self, offset: int) -> None:
        """Milliseconds by which the server's clock is wrong."""
        new = self.clock.with_name("clock.new")
        new.write_text(str(offset))
        new.rename(self.clock)

    async def age(self) -> None:
        """The bodies are old: the sweep at the next start takes those that nothing names."""
        long_ago = time.time() - OLD
        for path in (self.data / "blobs").glob("??/??/*"):
            os.utime(path, (long_ago, long_ago))

    def _count_points(self) -> None:
        with suppress(FileNotFoundError):
            self.outcome.passed.update(self._passed.read_text().split())
            self._passed.unlink()

    async def cut(self, share: float, seed: int) -> None:
        await self.power.cut(share, seed)
        self.outcome.cuts += 1

    async def check(self, *, at_end: bool = False) -> None:
        engine = self.cluster.engine() if self.cluster is not None else None
        shared = self.data if self._second is None else self.data / "blobs"
        found = await asyncio.to_thread(checker.check, (self.data, shared), self.ledger, engine, at_end=at_end)
        new = [sentence for sentence in found if sentence not in self.outcome.faults]
        self.outcome.faults.extend(new)

    async def settle(self, seconds: float) -> None:
        """All jobs end; those that nobody closed are cancelled."""
        deadline = time.monotonic() + seconds
        for user in self.template.users:
            headers = {"Authorization": f"ApiKey {user.key}"}
            async with httpx2.AsyncClient(
                base_url=f"{self.server.url}/api", headers=headers, timeout=20, trust_env=False, verify=False
            ) as http:
                for job in (await _list(http, "open")) or []:
                    await http.delete(f"/jobs/{job}")
                while left := await _list(http, "pending"):
                    if time.monotonic() > deadline:
                        self.outcome.faults.append(f"{len(left)} jobs of {user.name} did not end, like {left[0]}")
                        return
                    await asyncio.sleep(0.1)

    async def end(self) -> None:
        """Told to stop, it does so in order and leaves nobody behind."""
        for server in (self._second, self.server):
            if server is not None:
                await self._end(server)
        self._count_points()
        deadline = time.monotonic() + GONE
        while left := self._processes():
            if time.monotonic() > deadline:
                self.outcome.faults.append(f"processes were left behind: {left}")
                break
            await asyncio.sleep(LOOK)

    async def _end(self, server: Server) -> None:
        began = time.monotonic()
        await asyncio.to_thread(server.stop)
        if server.ended != 0:
            self.outcome.faults.append(f"told to stop, it ended with {server.ended}: {server.last_lines()}")
        if time.monotonic() - began > ORDERED_END:
            self.outcome.faults.append(f"it took {time.monotonic() - began:.0f} s to stop")

    def _processes(self) -> list[int]:
        """Of all servers of this round, and their replicas."""
        return processes(str(self.data)) + (processes(str(self.folder / "second")) if self._second else [])

    async def clear(self) -> None:
        """Whatever happened: nobody of ours is left."""
        for server in (self._server, self._second):
            if server is not None:
                await asyncio.to_thread(server.kill)
        for process in self._processes():
            tell(process, signal.SIGKILL)
        if self.disk is not None:
            await self.disk.stop()
        if self.cluster is not None:
            await asyncio.to_thread(self.cluster.stop)
        self.outcome.counts.update(self.ledger.counts)
        self.outcome.faults.extend(self.ledger.complaints)
        self.outcome.log = str(self._log)


async def _list(http: httpx2.AsyncClient, status: str) -> list[str]:
    answer = await http.get("/jobs", params={"status": status, "per-page": 1000})
    answer.raise_for_status()
    return [one["jobIdentifier"] for one in answer.json()]
