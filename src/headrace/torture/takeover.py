"""Two servers of one database: each takes over what the other leaves, and nobody ends what was taken from him."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable

from sqlalchemy import text

from headrace.torture.plan import Kill
from headrace.torture.scene import Scene
from headrace.torture.server import Server, tell
from headrace.torture.troubles import BACK, QUIET, goes_on

LOCKS = 1_212_761_937  # the class of the servers' session locks
PLACES = (
    "claim.tx.leased", "claim.committed", "worker.sending", "worker.answered", "finish.tx.stored", "finish.tx.counted",
    "finish.committed", "postgresql.commit.before", "postgresql.commit.after", "recovery.taken.back",
    "upload.spooled", "close.gathered", "close.tx.forgotten", "submit.tx.queued", "cancel.committed",
    "step.before", "import.shelved", "load.ready", "run.answered", "step.ended",
)  # fmt: skip
LATEST = 12  # the hit of a place at which the server is killed, at most

Spell = Callable[[Scene, random.Random], Awaitable[None]]


async def takeover(scene: Scene, dice: random.Random) -> None:
    await scene.begin()
    await scene.begin_second()
    for spell in dice.sample(SPELLS, len(SPELLS)):
        await asyncio.sleep(QUIET)
        await spell(scene, dice)
        await goes_on(scene, "a takeover")


async def _killed_at_a_place(scene: Scene, dice: random.Random) -> None:
    await scene.crash()
    await scene.life(Kill(dice.choice(PLACES), dice.randint(1, LATEST)))
    scene.outcome.troubles["one killed"] += 1
    await _taken_over(scene, scene.server)
    await scene.begin()


async def _killed(scene: Scene, _dice: random.Random) -> None:
    scene.second.kill()
    scene.outcome.troubles["one killed"] += 1
    await _taken_over(scene, scene.second)
    await scene.begin_second()


async def _frozen(scene: Scene, dice: random.Random) -> None:
    """For longer than its leases last; what it answers when it wakes is worth nothing."""
    one = dice.choice((scene.server, scene.second))
    tell(one.process_id, signal.SIGSTOP)
    scene.outcome.troubles["one frozen"] += 1
    try:
        await _taken_over(scene, one)
    finally:
        tell(one.process_id, signal.SIGCONT)


async def _cut_off(scene: Scene, _dice: random.Random) -> None:
    """The sessions that show that servers live end, the servers do not."""
    await asyncio.to_thread(_end_sessions, scene)
    scene.outcome.troubles["sessions ended"] += 1


async def _both_killed(scene: Scene, _dice: random.Random) -> None:
    await scene.crash()
    scene.second.kill()
    scene.outcome.troubles["both killed"] += 1
    await scene.check()
    await scene.begin()
    await scene.begin_second()


SPELLS: tuple[Spell, ...] = (_killed_at_a_place, _killed, _frozen, _cut_off, _both_killed)


async def _taken_over(scene: Scene, server: Server) -> None:
    """The other one has taken all that this one had under way."""
    began = time.monotonic()
    while left := await asyncio.to_thread(_leases_of, scene, server.process_id):
        if time.monotonic() - began > BACK:
            scene.outcome.faults.append(f"{left} leases of a server that is gone were not taken over in {BACK:.0f} s")
            return
        await asyncio.sleep(0.05)
    scene.outcome.taken.append(time.monotonic() - began)


def _leases_of(scene: Scene, process: int) -> int:
    with scene.database.engine().connect() as connection:
        question = "select count(*) from lease where server in (select id from server where pid = :pid)"
        return int(connection.scalar(text(question), {"pid": process}) or 0)


def _end_sessions(scene: Scene) -> None:
    with scene.database.engine().connect() as connection:
        question = "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and classid = :locks"
        connection.execute(text(question), {"locks": LOCKS})
