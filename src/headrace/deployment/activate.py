"""The last step: a version's status. Publishing waits for tests that still run, because clients do not (B.4)."""

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
            for kind in StepKind:
                await self._steps.over(kind, key)

        def move(version: Version) -> Version:
            check_move(version, status)
            return replace(version, status=status)

        faults.point("activate.before")
        changed = await self._versions.change(key, move, now())
        faults.point("activate.committed")
        self._fleet.changed()
        return changed
