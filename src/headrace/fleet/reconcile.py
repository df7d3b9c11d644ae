"""The loop that makes the replicas that run into the replicas that are wanted.

Each look: read which versions are active, work out how many replicas each should have, start what is missing, stop
what is too much. Every replica is one task; when the loop is cancelled all of them are stopped at the same time.
"""

import asyncio
import logging
import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from headrace.catalog.versions import Versions
from headrace.domain.clock import Millis, now, steady
from headrace.domain.errors import HeadraceError, ModelFailed, NotFound, StorageFailed, Unavailable
from headrace.domain.ids import VersionKey
from headrace.domain.scaling import Load
from headrace.domain.version import Version, VersionStatus
from headrace.fleet import elsewhere
from headrace.fleet.backoff import BackOff
from headrace.fleet.demand import Demand
from headrace.fleet.desired import Hunger, Need, desired
from headrace.fleet.held import Held, Proofs
from headrace.fleet.lifecycle import Life, Lifecycle, engine_name
from headrace.fleet.routing import Routing, Trouble
from headrace.fleet.status import EngineStatus, status_of
from headrace.settings import FleetSettings

GAP = 0.02  # seconds between two looks, however often the bell rings
REST = 5.0  # the same when nobody waits and all replicas that are wanted run: whoever changes that, rings
READ_AGAIN: Millis = 5_000  # the active versions, though nobody has told that one was changed
DRAFT_WARM: Millis = 30_000  # a draft's replica waits this long for the next step of its deployment
RETIRED = frozenset({VersionStatus.CANCELED, VersionStatus.REJECTED, VersionStatus.DELETED})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Read:
    """What could be known of all changes at that time: see Versions."""

    at: Millis = 0  # by the steady clock
    turn: int = -1
    commits: int | None = None


class Fleet:
    def __init__(
        self, versions: Versions, routing: Routing, demand: Demand, lifecycle: Lifecycle, settings: FleetSettings
    ) -> None:
        self._versions, self._routing, self._demand = versions, routing, demand
        self._lifecycle, self._settings = lifecycle, settings
        self._engines = settings.engines or max(4, 2 * (os.cpu_count() or 1))
        self._active: dict[VersionKey, Version] = {}
        self._read = _Read()  # before the active versions were read
        self._lives: defaultdict[VersionKey, list[Life]] = defaultdict(list)
        self._back_offs: dict[VersionKey, BackOff] = {}
        self._holds: Counter[VersionKey] = Counter()
        self._wanted: dict[VersionKey, int] = {}
        self._hunger = Hunger()
        self._crowded: set[VersionKey] = set()  # told that there is no room for them
        self._proofs = Proofs()
        self._place: Callable[[], tuple[int, int]] = lambda: (0, 1)
        self._others: Callable[[], Iterable[bytes]] = tuple
        versions.heed(demand.ring)

    def beside(self, place: Callable[[], tuple[int, int]], told: Callable[[], Iterable[bytes]]) -> None:
        """Other servers run replicas of the same versions: our place among them, and what they tell."""
        self._place, self._others = place, told

    @property
    def limit(self) -> int:
        """The most replicas of all versions together."""
        return self._engines

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    await self._look(group)
                except StorageFailed as error:
                    logger.warning("the replicas stay as they are: %s", error)
                soonest = clock() + GAP
                await self._demand.wait(self._pause(now()))
                if (left := soonest - clock()) > 0:
                    await asyncio.sleep(left)

    def changed(self) -> None:
        """A version was changed, or our place among the servers: look at once."""
        self._demand.ring()

    def status(self, key: VersionKey) -> EngineStatus:
        waiting = max(self._demand.waiting(key), self._routing.waiting(key))
        lives = self._lives.get(key, [])
        found = status_of(lives, self._back_offs.get(key), self._wanted.get(key, 0), waiting, now())
        return replace(found, waiting_since=self._demand.since(key))

    def statuses(self) -> dict[VersionKey, EngineStatus]:
        """Of all versions that are active or have a replica."""
        return {key: self.status(key) for key in sorted({*self._active, *self._lives}, key=str)}

    def everywhere(self) -> dict[VersionKey, EngineStatus]:
        """The same, with the replicas of all servers."""
        return elsewhere.together(self.statuses(), self._others())

    async def prepare(self, version: Version, report: Callable[[int], None]) -> None:
        """See Lifecycle: before a replica is waited for, what may take long is done."""
        await self._lifecycle.prepare(version, report)

    @asynccontextmanager
    async def hold(self, key: VersionKey) -> AsyncIterator[Held]:
        """At least one replica of a version that need not be active. Raises NotFound."""
        await self._versions.get(key)
        self._holds[key] += 1
        self._back_offs.pop(key, None)  # whoever tests has changed something: a new chance
        self._routing.tell(key, None)
        self.changed()
        try:
            yield Held(key, self._versions, lambda: self._lives.get(key, ()), self._proofs)
        finally:
            self._holds[key] -= 1
            self._demand.ring()

    async def _look(self, group: asyncio.TaskGroup) -> None:
        at = now()
        versions = await self._versions_in_question()
        self._forget_all_but(versions)
        needs = [self._need(version, at) for version in versions.values()]
        self._wanted = desired(needs, self._engines, self._settings.idle_after, at)
        for need in needs:
            self._adjust(group, versions[need.key], self._wanted[need.key], at)
        for need in needs:
            self._tell_who_waits_for_room(need)

    async def _versions_in_question(self) -> dict[VersionKey, Version]:
        """The active ones, and any other that is held, waited for, or still has a replica."""
        if self._may_be_old():
            before = _Read(steady(), self._versions.turn, self._versions.commits)
            self._active = {version.key: version for version in await self._versions.active()}
            self._read = before
        found = dict(self._active)
        held = [key for key, count in self._holds.items() if count]
        others = {*held, *self._demand.keys(), *self._routing.keys_waiting(), *self._lives} - set(found)
        for key in others:
            version = await self._version(key)
            if version is not None:
                found[key] = version
        return found

    def _may_be_old(self) -> bool:
        """What was read of the active versions."""
        if self._read.turn != self._versions.turn:
            return True
        commits = self._versions.commits
        return steady() - self._read.at >= READ_AGAIN and (commits is None or commits != self._read.commits)

    async def _version(self, key: VersionKey) -> Version | None:
        try:
            version = await self._versions.get(key)
        except NotFound:
            version = None
        if version is None or (version.status in RETIRED and not self._holds[key]):
            gone = "it was deleted" if version is None else f"it is {version.status}"
            self._routing.tell(key, Trouble(ModelFailed(f"version {key} does not run any more: {gone}"), now() + 1_000))
            for life in self._lives.get(key, ()):
                life.stop.set()
            return None
        return version

    def _need(self, version: Version, at: Millis) -> Need:
        key = version.key
        held, stored = self._holds[key] > 0, self._demand.waiting(key)
        lives = [life for life in self._lives.get(key, ()) if not life.stopping]
        busy = sum(life.busy for life in lives)
        waiting = max(stored, self._routing.waiting(key))  # a worker in the line stands for stored inputs
        minimum, maximum = self._bounds(version, held=held, waiting=waiting)
        if not self._back_off(key).may_start(at):
            minimum = maximum = min(maximum, len(lives))  # what may not start just now takes nobody's room
        warm_for = self._warm_for(version)
        warm = sum(life.busy or not life.ready or at - life.last_work < warm_for for life in lives)
        hungry = self._hunger.since(key, at, work=busy + waiting > 0, running=len(lives))
        idle_for = at - self._routing.last_work(key)
        load = Load(waiting, busy, idle_for if version.active else DRAFT_WARM + self._settings.idle_after)
        oldest = min((life.created for life in lives), default=0)
        since = self._demand.since(key)
        return Need(key, minimum, maximum, load, len(lives), warm, hungry, oldest, since)

    def _bounds(self, version: Version, *, held: bool, waiting: int) -> tuple[int, int]:
        """Fewest and most replicas. Inputs that were accepted while a version was active are still worked off."""
        least, most = version.processing.minimum, max(version.processing.minimum, version.processing.maximum)
        if version.recipe is None:
            return 0, 0
        if version.active:
            least = elsewhere.share(least, version.key, self._place())
            most = most and max(1, elsewhere.share(most, version.key, self._place()))  # whom one asks, answers
            return max(least, int(held)), max(most, int(held))
        if held:
            return 1, 1
        if version.status is VersionStatus.INACTIVE:
            return 0, most if waiting else 0
        return 0, 1

    def _adjust(self, group: asyncio.TaskGroup, version: Version, target: int, at: Millis) -> None:
        lives = [life for life in self._lives[version.key] if not life.stopping]
        fresh = [life for life in lives if life.same_as(version)]
        stale = [life for life in lives if not life.same_as(version)]
        for life in sorted(fresh, key=_worth)[: max(0, len(fresh) - target)]:
            life.stop.set()
        back_off = self._back_off(version.key)
        if any(life.replica is not None and life.replica.answered for life in fresh):
            back_off.answered()
        missing = target - len(fresh)
        if back_off.failures:  # try with one before all
            missing = min(missing, 1 - sum(not life.ready for life in fresh))
        for _ in range(missing if back_off.may_start(at) else 0):
            if self._alive() >= self._engines:
                break
            self._start(group, version)
        if not target or any(life.ready for life in fresh) or self._alive() >= self._engines:
            for life in stale:  # the old program serves until the new one is ready, unless there is no room for both
                life.stop.set()

    def _pause(self, at: Millis) -> float:
        """Seconds until something is due without being asked for."""
        lives = [(key, life) for key, lives in self._lives.items() for life in lives]
        due = [
            *(back_off.not_before for back_off in self._back_offs.values()),
            *(life.last_work + self._warm_for(life.version) for _, life in lives),
            *(self._routing.last_work(key) + self._settings.idle_after for key, _ in lives),
        ]
        longest = max(self._settings.look, REST) if self._at_rest() else self._settings.look
        return min([longest, *((one - at) / 1000 for one in due if one > at)])

    def _at_rest(self) -> bool:
        """Nobody waits or works, and all runs as it should: what comes next is due at a known time, or rings."""
        if self._read.turn != self._versions.turn:  # what is new could not be read yet
            return False
        if self._demand.keys() or self._routing.keys_waiting() or any(self._holds.values()):
            return False
        if any(back_off.failures for back_off in self._back_offs.values()):
            return False
        if any(life.stopping or life.busy or not life.ready for lives in self._lives.values() for life in lives):
            return False
        return all(len(self._lives.get(key, ())) == wanted for key, wanted in self._wanted.items())

    def _warm_for(self, version: Version) -> Millis:
        """How long a replica without work is kept."""
        return self._settings.idle_after if version.active else min(DRAFT_WARM, self._settings.idle_after)

    def _start(self, group: asyncio.TaskGroup, version: Version) -> None:
        life = Life(version, engine_name(version))
        self._lives[version.key].append(life)
        group.create_task(self._one(life), name=life.name)

    async def _one(self, life: Life) -> None:
        key = life.version.key
        try:
            await self._lifecycle.live(life, self._got_ready)
        except HeadraceError as error:
            self._failed(life, error)
        except Exception as error:  # one replica's accident must not stop the loop that keeps all others
            logger.exception("replica %s", life.name)
            self._failed(life, Unavailable(f"a replica of {key} could not be started", technical=repr(error)))
        finally:
            self._lives[key].remove(life)
            self._demand.ring()

    def _got_ready(self, life: Life) -> None:
        self._back_off(life.version.key).got_ready()
        self._proofs.ready(life)
        self._demand.ring()  # those of an older program may go now

    def _failed(self, life: Life, error: HeadraceError) -> None:
        if life.stop.is_set():
            return
        key, at = life.version.key, now()
        logger.warning("replica %s failed: %s", life.name, error)
        back_off = self._back_off(key)
        answered = 0 if life.replica is None else life.replica.answered
        back_off.failed(error, at, ready=life.replica is not None, answered=answered)
        self._proofs.failed(life, error)
        if not any(other.ready for other in self._lives[key]):
            self._routing.tell(key, Trouble(error, back_off.not_before if back_off.refusing else 0))

    def _tell_who_waits_for_room(self, need: Need) -> None:
        key = need.key
        crowded = need.work > 0 and not self._wanted[key] and not self._lives[key]
        if crowded and not self._back_off(key).failures:
            sentence = f"all {self._engines} replicas that this installation may run are at work for other versions"
            self._routing.tell(key, Trouble(Unavailable(sentence)))
            self._crowded.add(key)
        elif key in self._crowded and not crowded:
            self._crowded.discard(key)
            self._routing.tell(key, None)

    def _back_off(self, key: VersionKey) -> BackOff:
        first, longest = int(self._settings.first_delay * 1000), int(self._settings.longest_delay * 1000)
        return self._back_offs.setdefault(key, BackOff(first, longest))

    def _alive(self) -> int:
        return sum(len(lives) for lives in self._lives.values())

    def _forget_all_but(self, keys: Iterable[VersionKey]) -> None:
        known = set(keys)
        self._hunger.forget_all_but(known)
        for key in [key for key, lives in self._lives.items() if not lives and key not in known]:
            del self._lives[key]
        for key in [key for key in self._back_offs if key not in known and key not in self._lives]:
            del self._back_offs[key]
        for key in [key for key, count in self._holds.items() if not count]:
            del self._holds[key]


def _worth(life: Life) -> tuple[bool, bool, Millis]:
    """Order of stopping: those that still load, then idle ones, the longest idle first; busy ones last."""
    return life.busy, life.ready, life.last_work
