"""What is done to a server in each kind of round. Whoever promises something goes on meanwhile."""

import asyncio
import random
import signal
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httpx2

from headrace.torture.plan import Kill, Kind
from headrace.torture.scene import Scene
from headrace.torture.server import processes, tell

SURVEY = 4.0  # seconds of ordinary work in which the places are counted
QUIET = 0.7  # seconds of ordinary work between two troubles
BACK = 60.0  # seconds until work goes on, without a restart, when a trouble is over
SPELLS = 3  # troubles in one round
SHARES = (0.0, 0.5, 0.9)  # of what was not fsynced and is on the disk all the same
HOUR = 3_600_000
NOTICED = 3.0  # seconds in which a server has noticed that its clock was set
LEASE = 1_000  # milliseconds, where servers are stopped for longer than a lease

SETTINGS = {
    Kind.ZOMBIE: (f"jobs.lease={LEASE}",),
    Kind.TAKEOVER: (f"jobs.lease={LEASE}",),
    Kind.DISK: ("storage.floor=0",),
}
EXCUSES = {Kind.ZOMBIE: ("process ended", "was stopped", "replica")}


async def nothing(scene: Scene, _dice: random.Random) -> None:
    """Ordinary work, and one restart."""
    await scene.begin()
    await asyncio.sleep(SURVEY)
    await scene.crash()
    await scene.age()
    await scene.begin()
    await asyncio.sleep(SURVEY / 2)


async def kill(scene: Scene, _dice: random.Random) -> None:
    for one in scene.plan.kills:
        await scene.life(one)
        await scene.check()
        await scene.age()
    await _healthy(scene)


async def power(scene: Scene, dice: random.Random) -> None:
    for number, one in enumerate(scene.plan.kills):
        await scene.life(one)
        await scene.cut(dice.choice(SHARES), scene.plan.seed * 100 + number)
        await scene.check()
        await scene.age()
    await _healthy(scene)


async def _healthy(scene: Scene) -> None:
    await scene.begin()
    await goes_on(scene, "the last start")


async def full_disk(scene: Scene, dice: random.Random) -> None:
    def full() -> dict[str, Any]:
        return {"room": dice.choice([0, 20_000, 200_000, 1_000_000])}

    await _spells(scene, dice, full, "a full disk")


async def io_errors(scene: Scene, dice: random.Random) -> None:
    def errors() -> dict[str, Any]:
        share = dice.choice([0.05, 0.3, 1.0])
        return dice.choice([{"syncs": share}, {"writes": share}, {"syncs": share, "writes": share}])

    await _spells(scene, dice, errors, "I/O errors")
    if scene.plan.seed % 1000:  # not in the short form
        await _killed_while_mending(scene, dice)


async def _killed_while_mending(scene: Scene, dice: random.Random) -> None:
    """After a failed fsync the log is written again; then the power goes."""

    async def failing() -> None:
        await scene.power.weather(seed=dice.randrange(1 << 30), syncs=1.0)
        await asyncio.sleep(QUIET / 2)
        await scene.power.weather()
        await asyncio.sleep(QUIET)

    await scene.crash()
    await scene.life(Kill("mending.checked", 1), failing)
    await scene.cut(dice.choice(SHARES), dice.randrange(1 << 30))
    await scene.check()
    await _healthy(scene)


async def no_database(scene: Scene, dice: random.Random) -> None:
    if scene.cluster is None:
        await _spells(scene, dice, lambda: {"read_only": True}, "a read-only disk")
        return
    await scene.begin()
    for _ in range(SPELLS):
        await asyncio.sleep(QUIET)
        await asyncio.to_thread(scene.cluster.crash)
        scene.outcome.troubles["crashes of PostgreSQL"] += 1
        await asyncio.sleep(dice.choice([0.0, 1.0, 3.0]))
        await asyncio.to_thread(scene.cluster.start)
        await goes_on(scene, "a crash of PostgreSQL")


async def _spells(scene: Scene, dice: random.Random, weather: Callable[[], dict[str, Any]], what: str) -> None:
    await scene.begin()
    for number in range(SPELLS):
        await asyncio.sleep(QUIET)
        await scene.power.weather(seed=dice.randrange(1 << 30), **weather())
        scene.outcome.troubles[what] += 1
        await asyncio.sleep(QUIET + dice.random())
        await _reads(scene, what)
        counts = await scene.power.weather()
        scene.outcome.troubles["failed calls"] = counts["failed calls"]
        await goes_on(scene, what)
        if number % 2:  # what was acknowledged meanwhile must be there after a power cut too
            await scene.crash()
            await scene.cut(dice.choice(SHARES), dice.randrange(1 << 30))
            await scene.check()
            await scene.begin()


async def clock(scene: Scene, dice: random.Random) -> None:
    await scene.begin()
    for number in range(SPELLS):
        await asyncio.sleep(QUIET)
        scene.set_clock(dice.choice([HOUR, -HOUR, 0]))
        scene.outcome.troubles["clock jumps"] += 1
        await asyncio.sleep(QUIET)
        await goes_on(scene, "a jump of the clock")
        if number % 2:
            await asyncio.sleep(NOTICED)
            await scene.crash()
            await scene.check()
            await scene.begin()


async def zombies(scene: Scene, dice: random.Random) -> None:
    """The server, or its replicas, stand still for longer than a lease; replicas are killed."""
    await scene.begin()
    for _ in range(SPELLS):
        await asyncio.sleep(QUIET)
        server = scene.server.process_id
        replicas = [one for one in processes(str(scene.data)) if one != server]
        what = dice.choice(["server stopped", "replicas stopped", "replicas killed"])
        scene.outcome.troubles[what] += 1
        chosen = [server] if what.startswith("server") else replicas
        for process in chosen:
            tell(process, signal.SIGKILL if what.endswith("killed") else signal.SIGSTOP)
        await asyncio.sleep(LEASE / 1000 * dice.choice([0.5, 2.0]))
        for process in chosen:
            tell(process, signal.SIGCONT)
        await goes_on(scene, what)


async def first_start(scene: Scene) -> None:
    """Killed on the way to its first start, it starts the next time, and somebody has the administrator's key."""
    planned: Kill = scene.plan.kills[0]
    if await scene.begin(planned):
        await scene.crash()
        scene.outcome.missed.append(str(planned))
    else:
        scene.outcome.kills.append(str(planned))
    key = await scene.begin_with_key()
    async with httpx2.AsyncClient(
        base_url=f"{scene.server.url}/api", timeout=20, trust_env=False, verify=False
    ) as http:
        answer = await http.get("/accounting/accounts", headers={"Authorization": f"ApiKey {key}"})
    if answer.status_code != HTTPStatus.OK:
        scene.outcome.faults.append(f"the administrator's key is not known: {answer.status_code} {answer.text[:200]}")
    await scene.end()
    await scene.check(at_end=True)


async def goes_on(scene: Scene, what: str) -> None:
    """Jobs are acknowledged again."""
    before, deadline = scene.ledger.counts["jobs acknowledged"], time.monotonic() + BACK
    began = time.monotonic()
    while scene.ledger.counts["jobs acknowledged"] == before:
        if scene.server.ended is not None:
            scene.outcome.faults.append(f"after {what} the server ended: {scene.server.ended}")
            await scene.begin()
            return
        if time.monotonic() > deadline:
            scene.outcome.faults.append(f"after {what} no job was acknowledged for {BACK:.0f} s")
            return
        await asyncio.sleep(0.02)
    scene.outcome.resumed.append(time.monotonic() - began)


async def _reads(scene: Scene, what: str) -> None:
    """Reads go on."""
    user = scene.template.users[0]
    async with httpx2.AsyncClient(
        base_url=f"{scene.server.url}/api", timeout=20, trust_env=False, verify=False
    ) as http:
        try:
            answer = await http.get("/jobs?per-page=5", headers={"Authorization": f"ApiKey {user.key}"})
            said = f"{answer.status_code} {answer.text[:200]}" if answer.status_code != HTTPStatus.OK else ""
        except httpx2.TransportError as error:
            said = repr(error)
    if said:
        scene.outcome.faults.append(f"under {what} jobs could not be read: {said}")
