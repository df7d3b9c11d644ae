"""Which active versions answer a path of their own. From memory: every path that the server does not know is looked up.

A route is found at the path that its model declares, when one of the models that the caller sees declares it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headrace.catalog.directory import Directory
from headrace.catalog.versions import Versions
from headrace.domain.account import Principal
from headrace.domain.errors import Invalid, NotFound, NotReady
from headrace.domain.ids import VersionKey
from headrace.domain.route import fits
from headrace.domain.version import Version

MAX_AGE = 5.0  # seconds that a change by another server may stay unseen whose event was missed


@dataclass(frozen=True, slots=True)
class Declared:
    """One route of one active version."""

    key: VersionKey
    method: str
    path: str


class Routes:
    def __init__(self, versions: Versions, directory: Directory, clock: Callable[[], float] = time.monotonic) -> None:
        self._versions, self._directory, self._clock = versions, directory, clock
        self._turn, self._read_at = -1, 0.0
        self._all: tuple[Declared, ...] = ()

    async def at(self, asked: Sequence[str]) -> list[Declared]:
        """All that these segments may mean, whoever asks and by whatever method."""
        turn, at = self._directory.turn, self._clock()
        if turn != self._turn or at - self._read_at > MAX_AGE:
            self._all = tuple(one for version in await self._versions.active() for one in declared(version))
            self._turn, self._read_at = turn, at
        return [one for one in self._all if fits(one.path, asked)]

    async def meant(self, principal: Principal, found: Sequence[Declared], shown: str) -> Version:
        """Of the models that the caller sees, the version that an inference would reach.

        Raises NotFound; Invalid when it sees several such models.
        """
        keys = {one.key for one in found}
        seen: dict[str, Version] = {}
        for model in {key.model for key in keys}:
            try:
                _, version = await self._directory.resolve(principal, model)
            except (NotFound, NotReady):
                continue
            if version.key in keys:
                seen[model] = version
        if not seen:
            raise NotFound(f"there is no {shown}")
        if len(seen) > 1:
            raise Invalid(
                f"more than one model answers {shown}: ask /v2/models/MODEL{shown}, where MODEL is one of "
                f"{', '.join(sorted(seen))}"
            )
        return next(iter(seen.values()))


def declared(version: Version) -> list[Declared]:
    if version.tensors is None:
        return []
    return [Declared(version.key, method, path) for method, path in version.tensors.routes]
