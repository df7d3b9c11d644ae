"""A shelf and an environment maker that need no archive and no network, and a deployment on the fleet's stage."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

from rooms.fleet.stage import Stage

from headrace.catalog.test_inputs import TestInputs
from headrace.deployment.archives import FolderArchives
from headrace.deployment.containers import Containers
from headrace.deployment.deployment import Deployment
from headrace.deployment.folders import Folders
from headrace.deployment.import_image import ImportImage
from headrace.deployment.load_test import LoadTest
from headrace.deployment.run_test import RunTest
from headrace.deployment.upkeep import Upkeep
from headrace.domain.errors import Invalid
from headrace.domain.ids import VersionKey
from headrace.domain.version import InputSpec, Step, VersionStatus
from headrace.images.oci.store import Store
from headrace.settings import ImageSettings
from headrace.storage.sealing import Seal

MODEL = "class Model:\n    def predict(self, inputs):\n        return {}\n"
CLAIMS = """\
specification: "0.1"
name: Shout
summary: Says it louder
entry: model.py:Model
inputs:
  input.txt: {acceptedMediaTypes: [text/plain], maxSize: 1000, description: what to shout}
outputs:
  results.json: {mediaType: application/json, maxSize: 1000}
timeout: {status: 20s, run: 5s}
resources: {memory: {size: 3G}, cpu: {count: 2}}
"""


class OpenShelf:
    """Takes an archive whose content is the text of a model.yaml."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.door = asyncio.Event()
        self.door.set()
        self.shelved = 0

    async def shelve_archive(self, spool: Path) -> tuple[str, int]:
        await self.door.wait()
        return await asyncio.to_thread(self._shelve, spool)

    async def shelve_folder(self, path: str) -> tuple[str, int]:
        await self.door.wait()
        return await asyncio.to_thread(self._shelve, Path(path) / "model.yaml")

    def _shelve(self, claims: Path) -> tuple[str, int]:
        text = claims.read_text()
        if text.startswith("bomb"):
            raise Invalid("the archive unpacks to more than 16 GB")
        self.shelved += 1
        folder = self._data / "models" / str(self.shelved)
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(MODEL)
        (folder / "model.yaml").write_text(text)
        return f"models/{self.shelved}", len(text)


class ReadyEnvironments:
    def __init__(self, data: Path) -> None:
        self._data = data
        self.refuses = ""

    async def prepare(self, folder: Path, report, _besides) -> Path:
        for percentage in (0, 50, 100):
            report(percentage)
            await asyncio.sleep(0)
        if self.refuses:
            raise Invalid(self.refuses)
        return self._data / "environments" / folder.name / "bin" / "python"


class Works(Stage):
    """The stage with a deployment on it."""

    def __init__(self, folder: Path, runner=None, dial=None) -> None:
        super().__init__(folder, runner, dial)
        self.folder = folder
        self.shelf, self.environments = OpenShelf(folder), ReadyEnvironments(folder)
        self.test_inputs = TestInputs(self.database)
        self.image_settings = ImageSettings()
        self.images = Store(folder, self.image_settings)
        self.deployment = self.opened()

    def opened(self) -> Deployment:
        """A deployment as a server that was just started has it."""
        return Deployment(
            self.versions,
            self.test_inputs,
            self.fleet,
            self.import_image(),
            LoadTest(self.models, self.versions, self.fleet),
            RunTest(self.versions, self.test_inputs, self.fleet, self.ask),
        )

    def import_image(self) -> ImportImage:
        folders = Folders(self.shelf, self.environments, self.folder)
        upkeep = Upkeep(self.versions, self.shelf, self.images)
        containers = Containers(self.images, upkeep, Seal(b"s" * 32), self.image_settings)
        archives = FolderArchives(self.folder / "imports")
        return ImportImage(self.database, self.models, self.versions, archives, folders, containers)

    async def draft(self) -> VersionKey:
        return await self.version(status=VersionStatus.PARTIAL, image_step=Step(), load=Step(), run=Step(), recipe=None)

    async def loaded_draft(self) -> VersionKey:
        """With an image that was brought in and a load test that went well."""
        return await self.version(status=VersionStatus.PARTIAL, run=Step(), inputs=(InputSpec("input.txt"),))

    def upload(self, text: str = CLAIMS) -> Path:
        spool = self.folder / "upload"
        spool.write_text(text)
        return spool

    async def import_(self, key: VersionKey, text: str = CLAIMS) -> None:
        await self.deployment.import_archive(key, self.upload(text), "shout.zip", len(text))

    async def until_version(self, key: VersionKey, fact) -> None:
        async with asyncio.timeout(60):
            while not fact(await self.versions.get(key)):
                await asyncio.sleep(0.002)


@asynccontextmanager
async def running(*loops):
    tasks = [asyncio.create_task(loop()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()


@asynccontextmanager
async def works(folder: Path):
    built = Works(folder)
    try:
        await built.open()
        async with running(built.fleet.run, built.deployment.run_forever):
            yield built
    finally:
        built.database.close()
