"""The last step: a version's status. Publishing waits for tests that still run, because clients do not (B.4)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from headrace import faults
from headrace.catalog.versions import Versions
from headrace.deployment.steps import StepKind, Steps
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey
from headrace.domain.version import Version, VersionStatus, check_move
from headrace.fleet.reconcile import Fleet


class Activate:
    def __init__(self, versions: Versions, fleet: Fleet, steps: Steps) -> None:
        self._versions, self._fleet, self._steps = versions, fleet, steps

    async def change_status(self, key: VersionKey, status: VersionStatus) -> Version:
        """Raises NotFound, Conflict for a move that is not allowed, NotReady when a step is missing or has failed."""
        if status is VersionStatus.ACTIVE:
            await self._tested(key)
        return await self._changed(self._versions.change(key, _move_to(status), now()))

    async def publish_only(self, key: VersionKey) -> Version:
        """Active from now on, and no other version of its model: at no moment both or none. Raises as above."""
        await self._tested(key)
        active, inactive = _move_to(VersionStatus.ACTIVE), _move_to(VersionStatus.INACTIVE)
        return await self._changed(self._versions.change_only(key, active, inactive, now()))

    async def _tested(self, key: VersionKey) -> None:
        for kind in StepKind:
            await self._steps.over(kind, key)

    async def _changed(self, change: Awaitable[Version]) -> Version:
        faults.point("activate.before")
        changed = await change
        faults.point("activate.committed")
        self._fleet.changed()
        return changed


def _move_to(status: VersionStatus) -> Callable[[Version], Version]:
    def move(version: Version) -> Version:
        check_move(version, status)
        return replace(version, status=status)

    return move
