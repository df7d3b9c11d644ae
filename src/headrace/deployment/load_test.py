"""The load test: one replica starts and gets ready within `timeout.status`."""

import asyncio
from dataclasses import replace
from functools import partial

from headrace import faults
from headrace.catalog.models import Models
from headrace.catalog.versions import Versions
from headrace.deployment.claims import prefill
from headrace.deployment.steps import Progress, StepKind, fail
from headrace.domain.errors import HeadraceError, StorageFailed
from headrace.domain.ids import VersionKey
from headrace.domain.image import ImageRecipe
from headrace.domain.version import InputSpec, OutputSpec, Step, StepState, Version
from headrace.fleet.first import first
from headrace.fleet.held import Proof
from headrace.fleet.reconcile import Fleet

BEGUN, BROUGHT = 5, 60  # percent of the step: asked for; the image lies where it is started from
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
            await self._prepared(version, progress, model.name)
            async with self._fleet.hold(key) as held:
                proof = await held.ready(version.timeout.status / 1000 + ROOM)
                faults.point("load.ready")
                await progress.end(lambda draft: _loaded(draft, proof))
        except StorageFailed:
            raise
        except HeadraceError as error:
            sentence = error.message
            await progress.end(lambda draft: _not_loaded(draft, sentence))

    async def _prepared(self, version: Version, progress: Progress, name: str) -> None:
        """An image is brought to where it is started from before anybody counts the seconds of its start."""
        loop = asyncio.get_running_loop()
        news, latest = asyncio.Event(), [0]

        def report(percentage: int) -> None:
            """From any thread, 0..100."""
            latest[0] = max(latest[0], min(100, percentage))
            loop.call_soon_threadsafe(news.set)

        async def follow() -> None:
            while True:
                await news.wait()
                news.clear()
                share = BEGUN + latest[0] * (BROUGHT - BEGUN) // 100
                await progress.end(partial(_brought, name=name, share=share, percentage=latest[0]))

        await first(self._fleet.prepare(version, report), follow())


def _brought(version: Version, *, name: str, share: int, percentage: int) -> Version:
    step = Step(StepState.RUNNING, 1, f"Loading model '{name}'", share)
    return replace(version, load=step, image=replace(version.image, load_percentage=percentage))


def _loaded(version: Version, proof: Proof) -> Version:
    """What the model says of itself fills in what nobody has said, and how it is spoken to is remembered."""
    if proof.info.claims is not None:
        version = prefill(version, proof.info.claims)
    recipe = version.recipe
    if isinstance(recipe, ImageRecipe) and proof.info.contract is not None:
        recipe = replace(recipe, contract=proof.info.contract, port=proof.info.port)
    return replace(
        version,
        recipe=recipe,
        load=Step(StepState.DONE, 2, "Checking status endpoint", 100),
        image=replace(version.image, load_status="COMPLETED", load_percentage=100),
        isolation=proof.isolation.value,
        inputs=version.inputs or tuple(InputSpec(name) for name in proof.info.inputs),
        outputs=version.outputs or tuple(OutputSpec(name) for name in proof.info.outputs),
        tensors=proof.info.tensors,
    )


def _not_loaded(version: Version, error: str) -> Version:
    return replace(fail(version, StepKind.LOAD, error), image=replace(version.image, load_status="FAILED"))
