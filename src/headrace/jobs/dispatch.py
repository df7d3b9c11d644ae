"""The loop: for each version with work, a worker per seat that claims, asks and finishes until nothing is left."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress

from headrace import faults
from headrace.catalog.versions import Versions
from headrace.domain.clock import Millis, now
from headrace.domain.errors import HeadraceError, ModelFailed, NotFound, StorageFailed, Unavailable
from headrace.domain.ids import VersionKey
from headrace.domain.job import JobInput
from headrace.domain.version import Version
from headrace.fleet.demand import Demand
from headrace.fleet.routing import Seat
from headrace.inference.ask import Ask
from headrace.inference.pace import Pace
from headrace.jobs import claim_rows, fair, frames
from headrace.jobs.claim_rows import Claimed, Claimer, Done, Most
from headrace.jobs.finish import Finish
from headrace.jobs.recovery import Recovery
from headrace.jobs.room import Room
from headrace.jobs.run import Limits, failed
from headrace.jobs.worker import Work, Worker

logger = logging.getLogger(__name__)

IDLE = 5.0  # seconds between looks when the bell stays silent
PATIENCE = 60.0  # seconds that a worker waits for a seat before it looks whether there is still work
TROUBLE = 1.0  # seconds until the next try while the database takes nothing
REFUSED = 0.2  # seconds until a worker that got no seat asks again
TURN = 2.0  # seconds after which a worker gives its seat back, so that other callers come in between
BUSY = 0.05  # seconds between looks while everybody works who may: only demand is to be told then
SHORT = 0.02  # seconds of work in claims that are made together
OPENED = 8  # chunks kept decoded: a slow model's claims open the same one again and again


Touch = Callable[[str, Millis], Awaitable[None]]


class Dispatch:
    """`touch` notes when a model was last used."""

    def __init__(self, room: Room, versions: Versions, ask: Ask, demand: Demand, touch: Touch) -> None:
        self._room, self._versions, self._ask, self._demand, self._touch = room, versions, ask, demand, touch
        self._database, self._settings = room.database, room.settings
        self._finish = Finish(room)
        self._paces: defaultdict[VersionKey, Pace] = defaultdict(Pace)
        self._workers: defaultdict[VersionKey, int] = defaultdict(int)
        self._opened: dict[tuple[int, int], list[JobInput]] = {}
        self._told: set[VersionKey] = set()
        self._known: int | None = None  # how many commits there were before the last look
        self._full: set[str] = set()  # versions that had as many workers as they may have at the last look

    async def run(self) -> None:
        faults.point("recover.before")
        recovery = Recovery(self._room)
        back = await self._started(recovery)
        faults.point("recover.committed")
        if back:
            logger.info("%d inputs were under way when the server stopped; they are in the queue again", back)
        async with asyncio.TaskGroup() as group:
            group.create_task(recovery.run())
            while True:
                with suppress(StorageFailed):
                    await self._look(group)
                await self._news()

    async def _started(self, recovery: Recovery) -> int:
        while True:
            try:
                return await recovery.start()
            except StorageFailed as error:
                logger.warning("the work of the last start is not taken up yet: %s", error)
                await asyncio.sleep(TROUBLE)

    async def _news(self) -> None:
        """Returns when there is a reason to look: at once, unless all that is new is more for who works already."""
        rung = await self._room.work.wait(IDLE)
        until = asyncio.get_running_loop().time() + BUSY
        while rung and rung <= self._full and (left := until - asyncio.get_running_loop().time()) > 0:
            rung |= await self._room.work.wait(left)

    async def _look(self, group: asyncio.TaskGroup) -> None:
        commits = self._database.commits
        if commits is not None and commits == self._known and not self._told:  # nobody waited, and nobody has come
            return
        waiting = await self._database.read(fair.waiting)
        self._known = commits
        self._full.clear()
        for gone in self._told - set(waiting):
            self._demand.set_waiting(gone, 0)
        self._told = set(waiting)
        for key, inputs in waiting.items():
            self._demand.set_waiting(key, inputs)
            with suppress(NotFound):
                version = await self._versions.get(key)
                most = max(1, version.processing.maximum)
                for _ in range(min(inputs, most) - self._workers[key]):
                    self._workers[key] += 1
                    group.create_task(self._worker(version))
                if self._workers[key] >= most:
                    self._full.add(str(key))

    async def _worker(self, version: Version) -> None:
        """Ends when there is nothing to claim. The next submit rings the bell and starts another."""
        key = version.key
        try:
            while await self._turn(version):
                pass
        except StorageFailed as error:
            logger.warning("the work on %s pauses: %s", key, error)
            await asyncio.sleep(TROUBLE)
        except Exception:  # one claim's accident must not stop the others; recovery takes back what it held
            logger.exception("the work on %s met something unexpected and pauses", key)
            await asyncio.sleep(TROUBLE)
        finally:
            self._workers[key] -= 1
            if not self._workers[key]:
                del self._workers[key]
            self._room.work.ring()

    async def _has_work(self, key: VersionKey) -> bool:
        waiting = await self._database.read(fair.waiting)
        return key in waiting

    async def _turn(self, version: Version) -> bool:
        """One seat, for as many claims as fit into a turn. False when nothing is left to claim."""
        try:
            async with self._ask.seat(version.key, patience=PATIENCE) as seat:
                await self._touch(version.key.model, now())
                return await self._claims(seat, version)
        except ModelFailed as error:  # its replicas do not start: the platform tries on, but this run is told why
            await self._fail_one_claim(version, error)
        except Unavailable:
            await asyncio.sleep(REFUSED)
        return await self._has_work(version.key)

    async def _claims(self, seat: Seat, version: Version) -> bool:
        pace = self._paces[version.key]
        worker, settings = Worker(self._finish, self._room.watch, pace), self._settings
        limits = Limits(version.timeout.run / 1000, settings.strikes, settings.tries, settings.claim)
        over = asyncio.get_running_loop().time() + TURN
        while not seat.broken and asyncio.get_running_loop().time() < over:
            most = pace.inputs(settings.target, settings.claim)
            together = int(SHORT / pace.mean) if pace.mean else 1
            with self._room.claimer() as claimer:
                claims = await self._claim(version.key, most, together, claimer)
                faults.point("claim.committed")
                if not claims:
                    return False
                await worker.work(seat, [Work(one, self._inputs(one)) for one in claims], limits)
        return True

    async def _claim(self, key: VersionKey, inputs: int, together: int, by: Claimer) -> list[Claimed]:
        at, most = now(), Most(inputs, self._settings.claim_bytes)
        return await self._database.write(lambda tx: claim_rows.claim_some(tx, key, most, together, by, at))

    def _inputs(self, claimed: Claimed) -> list[JobInput]:
        place = (claimed.job.number, claimed.chunk_first)
        opened = self._opened.get(place)
        if opened is None:
            opened = frames.unpack_inputs(claimed.payload)
            self._opened[place] = opened
            while len(self._opened) > OPENED:
                del self._opened[next(iter(self._opened))]
        return opened[claimed.skip : claimed.skip + claimed.count]

    async def _fail_one_claim(self, version: Version, error: HeadraceError) -> None:
        with self._room.claimer() as claimer:
            for claimed in await self._claim(version.key, self._settings.claim, 1, claimer):
                results = [failed(one.name, "", claimed, error.message) for one in self._inputs(claimed)]
                await self._finish([(claimed, Done(claimed.first, results, dead=frozenset(range(len(results)))))])
