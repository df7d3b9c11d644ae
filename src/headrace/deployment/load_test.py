"""The load test: one replica starts and gets ready within `timeout.status`."""

from dataclasses import replace

from headrace.catalog.models import Models
from headrace.catalog.versions import Versions
from headrace.deployment.steps import Progress, StepKind, fail
from headrace.domain.errors import HeadraceError, StorageFailed
from headrace.domain.ids import VersionKey
from headrace.domain.version import InputSpec, OutputSpec, Step, StepState, Version
from headrace.fleet.held import Proof
from headrace.fleet.reconcile import Fleet

ROOM = 60.0  # seconds that a test waits for room beside other versions, above the version's own timeout


class LoadTest:
    def __init__(self, models: Models, versions: Versions, fleet: Fleet) -> None:
        self._models, self._versions, self._fleet = models, versions, fleet

    async def work(self, key: VersionKey) -> None:
        """Raises StorageFailed; any other end is written into the version."""
        progress = Progress(self._versions, StepKind.LOAD, key)
        try:
            model = await self._models.get(key.model)
            await progress.tell(1, f"Loading model '{model.name}'", 5)
            version = await self._versions.get(key)
            async with self._fleet.hold(key) as held:
                proof = await held.ready(version.timeout.status / 1000 + ROOM)
                await progress.end(lambda draft: _loaded(draft, proof))
        except StorageFailed:
            raise
        except HeadraceError as error:
            sentence = error.message
            await progress.end(lambda draft: _not_loaded(draft, sentence))


def _loaded(version: Version, proof: Proof) -> Version:
    """What the model says of itself fills in what nobody has said."""
    return replace(
        version,
        load=Step(StepState.DONE, 2, "Checking status endpoint", 100),
        image=replace(version.image, load_status="COMPLETED", load_percentage=100),
        isolation=proof.isolation.value,
        inputs=version.inputs or tuple(InputSpec(name) for name in proof.info.inputs),
        outputs=version.outputs or tuple(OutputSpec(name) for name in proof.info.outputs),
        tensors=proof.info.tensors,
    )


def _not_loaded(version: Version, error: str) -> Version:
    return replace(fail(version, StepKind.LOAD, error), image=replace(version.image, load_status="FAILED"))
