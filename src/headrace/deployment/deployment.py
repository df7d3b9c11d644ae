"""The room's door: what the API and the command line call to bring a version from a draft to its publication."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from headrace.catalog.test_inputs import TestInputs
from headrace.catalog.versions import Versions
from headrace.deployment.activate import Activate
from headrace.deployment.import_image import ImportImage
from headrace.deployment.load_test import LoadTest
from headrace.deployment.run_test import RunTest
from headrace.deployment.steps import LOOK, UNDER_WAY, StepKind, Steps
from headrace.deployment.trial import planned, untried
from headrace.deployment.turns import Turns
from headrace.domain.clock import now
from headrace.domain.errors import Conflict, Invalid, ModelFailed, NotReady, StorageFailed, Unsupported
from headrace.domain.ids import VersionKey
from headrace.domain.image import FolderRecipe
from headrace.domain.version import Step, StepState, Version, VersionStatus, missing_steps
from headrace.fleet.reconcile import Fleet
from headrace.images.registry.auth import Credentials
from headrace.images.registry.reference import Reference
from headrace.inference.validate import is_request, refusal

LOOKS = 10  # at whether another server is done with an import that has ended
TIDY_EVERY = 600.0  # seconds between two looks for what is no longer needed
CLOSED = frozenset({VersionStatus.CANCELED, VersionStatus.REJECTED, VersionStatus.DELETED})


class Deployment:
    def __init__(
        self,
        versions: Versions,
        test_inputs: TestInputs,
        fleet: Fleet,
        import_image: ImportImage,
        load_test: LoadTest,
        run_test: RunTest,
    ) -> None:
        self._versions, self._test_inputs, self._import_image = versions, test_inputs, import_image
        works = {StepKind.IMAGE: import_image.work, StepKind.LOAD: load_test.work, StepKind.RUN: run_test.work}
        self._steps = Steps(versions, works)
        self._activate = Activate(versions, fleet, self._steps)
        self._asking = asyncio.Lock()  # from looking whether a step is under way to starting it

    def share(self, turns: Turns) -> None:
        """Other servers work on the same versions. Before `run_forever`."""
        self._steps.whose = turns

    async def run_forever(self) -> None:
        async with self._asking:
            await self._import_image.sweep()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tidy_forever())
            await self._steps.run()

    async def _tidy_forever(self) -> None:
        while True:
            await asyncio.sleep(TIDY_EVERY)
            with suppress(StorageFailed):
                await self.tidy()

    async def tidy(self) -> None:
        """Remove what was brought in once and no version needs any more. Raises StorageFailed."""
        upkeep = self._import_image.upkeep
        await upkeep.tidy_images()
        async with self._asking:  # no import begins meanwhile
            if not self._steps.busy(StepKind.IMAGE):
                await upkeep.tidy_folders()

    async def import_archive(self, key: VersionKey, spool: Path, filename: str, size: int) -> Step:
        """`spool` is taken over (renamed): it must lie on the disk of the data folder. Goes on by itself.

        Raises NotFound, Conflict when the version is no draft or an import is under way, StorageFailed.
        """
        async with self._asking:
            await self._before_over(key)
            version = await self._import_image.take_archive(key, spool, filename, size)
            self._steps.start(StepKind.IMAGE, key)
        return version.image_step

    async def import_folder(self, key: VersionKey, path: str) -> Step:
        """The same for a folder on this server; whether it may be read is the first thing that the import finds out."""
        async with self._asking:
            await self._before_over(key)
            version = await self._import_image.take_folder(key, path)
            self._steps.start(StepKind.IMAGE, key)
        return version.image_step

    async def import_image(self, key: VersionKey, reference: Reference, credentials: Credentials | None) -> Step:
        """The same for a container image in a registry."""
        async with self._asking:
            await self._before_over(key)
            version = await self._import_image.take_image(key, reference, credentials)
            self._steps.start(StepKind.IMAGE, key)
        return version.image_step

    async def _before_over(self, key: VersionKey) -> None:
        """An import that has ended, and is just being forgotten, would take the next one with it."""
        if (await self._versions.get(key)).image_step.state not in UNDER_WAY:
            await self._steps.over(StepKind.IMAGE, key)
            for _ in range(LOOKS):
                if not await self._steps.whose.elsewhere(StepKind.IMAGE, key):
                    return
                await asyncio.sleep(LOOK)
            raise Conflict(f"another server is just putting an import of version {key} away: try again")

    async def folder_of(self, version: Version) -> Path:
        """Its model folder on this machine, only to be read. Raises Unsupported for a container image, ModelFailed."""
        if not isinstance(version.recipe, FolderRecipe):
            raise Unsupported(f"version {version.key} is a container image: it has no folder of files")
        return await self._import_image.upkeep.folder_of(version.recipe)

    async def image_progress(self, key: VersionKey) -> Step:
        """Raises NotFound. A step that is FAILED says why in `error`."""
        return (await self._versions.get(key)).image_step

    async def load(self, key: VersionKey) -> Version:
        """Returns when the model is loaded. Raises NotReady while its image is not there, ModelFailed with the why."""

        def ask(version: Version) -> Version:
            _check_open(version)
            if version.image_step.state is not StepState.DONE:
                raise _step_missing(version)
            image = replace(version.image, load_status="IN_PROGRESS", load_percentage=0)
            return replace(version, load=Step(StepState.WAITING, 1, "Loading model", 0), image=image)

        async with self._asking:
            if not self._steps.under_way(StepKind.LOAD, key):
                await self._versions.change(key, ask, now())
                self._steps.start(StepKind.LOAD, key)
        await self._steps.over(StepKind.LOAD, key)
        version = await self._versions.get(key)
        if version.load.state is StepState.FAILED:
            raise ModelFailed(version.load.error)
        return version

    async def run(self, key: VersionKey) -> Version:
        """Starts the run test. Raises NotReady when the load test or a file is missing, Invalid for a wrong file."""
        bodies = planned(await self._versions.get(key), await self._test_inputs.all(key))

        def ask(version: Version) -> Version:
            _check_open(version)
            if version.load.state is not StepState.DONE:
                raise _step_missing(version)
            path = f"/api/models/{key.model}/versions/{key.version}/testInput?name=<input name>"
            missing = [spec.name for spec in version.inputs if spec.name not in bodies]
            if missing and not is_request(version, bodies):
                raise NotReady(f"there is no test file for {', '.join(missing)} yet: send one with POST {path}")
            if not bodies and not untried(version, bodies):
                raise NotReady(f"there is no test file yet: send one with POST {path}")
            if bodies and (sentence := refusal(version, bodies)):
                raise Invalid(f"the test files do not fit: {sentence}")
            return replace(version, run=Step(StepState.WAITING, 1, "Loading model", 0), run_result=None)

        async with self._asking:
            if self._steps.under_way(StepKind.RUN, key):
                return await self._versions.get(key)
            version = await self._versions.change(key, ask, now())
            self._steps.start(StepKind.RUN, key)
        return version

    async def change_status(self, key: VersionKey, status: VersionStatus) -> Version:
        """See Activate: publishing waits for a test that runs."""
        return await self._activate.change_status(key, status)

    async def publish_only(self, key: VersionKey) -> Version:
        """The same for a version that is to be the only active one of its model."""
        return await self._activate.publish_only(key)


def _check_open(version: Version) -> None:
    if version.status in CLOSED:
        raise Conflict(f"version {version.key} is {version.status} and cannot be tested")


def _step_missing(version: Version) -> Conflict | NotReady:
    """NotReady is repeated by clients; a step that has failed is not mended by waiting."""
    first = missing_steps(version)[0]
    failed = version.image_step.state is StepState.FAILED or version.load.state is StepState.FAILED
    return (Conflict if failed else NotReady)(f"version {version.key}: {first}")
