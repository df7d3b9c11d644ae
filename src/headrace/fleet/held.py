"""A version that is held running for a test: wait for the proof that it starts, or for the reason why it does not."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from headrace.catalog.versions import Versions
from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.errors import HeadraceError, Unavailable
from headrace.domain.ids import VersionKey
from headrace.domain.replica import Isolation
from headrace.domain.version import Version
from headrace.fleet.lifecycle import Life


@dataclass(frozen=True, slots=True)
class Proof:
    """A replica of the version as it is now got ready."""

    engine: str
    isolation: Isolation
    info: ReplicaInfo


_Wait = tuple[Version, "asyncio.Future[Life | HeadraceError]"]


class Proofs:
    """Who waits for the outcome of the next start of a version."""

    def __init__(self) -> None:
        self._waits: defaultdict[VersionKey, list[_Wait]] = defaultdict(list)

    def ready(self, life: Life) -> None:
        self._tell(life, life)

    def failed(self, life: Life, error: HeadraceError) -> None:
        self._tell(life, error)

    async def next(self, version: Version, patience: float) -> Life:
        """Raises the error with which a replica failed; Unavailable after `patience` seconds."""
        future: asyncio.Future[Life | HeadraceError] = asyncio.get_running_loop().create_future()
        wait = (version, future)
        self._waits[version.key].append(wait)
        try:
            async with asyncio.timeout(patience):
                outcome = await future
        except TimeoutError:
            raise Unavailable(f"no replica of {version.key} could be started within {patience:g} s") from None
        finally:
            self._waits[version.key].remove(wait)
            if not self._waits[version.key]:
                del self._waits[version.key]
        if isinstance(outcome, HeadraceError):
            raise outcome
        return outcome

    def _tell(self, life: Life, outcome: Life | HeadraceError) -> None:
        for version, future in self._waits.get(life.version.key, ()):
            if life.same_as(version) and not future.done():
                future.set_result(outcome)


class Held:
    def __init__(
        self,
        key: VersionKey,
        versions: Versions,
        lives: Callable[[], Iterable[Life]],
        proofs: Proofs,
    ) -> None:
        self._key, self._versions, self._lives, self._proofs = key, versions, lives, proofs

    async def ready(self, patience: float) -> Proof:
        """Raises the reason why it did not start: ModelFailed, LimitReached, Unavailable and what a runner raises."""
        version = await self._versions.get(self._key)
        running = [life for life in self._lives() if life.ready and not life.stopping and life.same_as(version)]
        life = running[0] if running else await self._proofs.next(version, patience)
        return Proof(life.name, life.isolation, life.info or ReplicaInfo())
