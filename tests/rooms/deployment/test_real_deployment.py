"""A deployment with nothing acted: a real archive, a real environment, a real process."""

import json
import zipfile
from pathlib import Path

import pytest
from rooms.deployment.shelved import Works, running
from rooms.fleet.acting import ask

from headrace.dialects.frames import Frames
from headrace.domain.errors import ModelFailed
from headrace.domain.version import StepState, VersionStatus
from headrace.images.shelf import Shelf
from headrace.runners.environments import Environments
from headrace.runners.process import ProcessRunner
from headrace.settings import ImageSettings, RunnerSettings
from headrace.storage.blobs import FolderBlobs

MODEL = """
class Model:
    def predict(self, inputs):
        return {"words": len(inputs["input.txt"].split())}
"""
CLAIMS = """
name: Count
summary: Counts words
inputs:
  input.txt: {acceptedMediaTypes: [text/plain], maxSize: 1000}
"""


@pytest.fixture
async def here(tmp_path):
    blobs = FolderBlobs(tmp_path / "blobs", b"k" * 32)
    runner = ProcessRunner(RunnerSettings(), tmp_path, None)
    built = Works(tmp_path, runner, lambda connection, told: Frames(connection, blobs, 1 << 20, told))
    built.shelf, built.environments = Shelf(tmp_path, ImageSettings()), Environments(tmp_path, RunnerSettings())
    built.deployment = built.opened()
    await built.open()
    async with running(built.fleet.run, built.ask.run, built.deployment.run_forever):
        yield built
    built.database.close()


def archive(folder: Path, model: str) -> Path:
    path = folder / "upload.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("count/model.py", model)
        file.writestr("count/model.yaml", CLAIMS)
    return path


async def brought_in(here, model: str):
    key = await here.draft()
    path = archive(here.folder, model)
    await here.deployment.import_archive(key, path, path.name, path.stat().st_size)
    await here.until_version(key, lambda version: version.image_step.state in {StepState.DONE, StepState.FAILED})
    return key


async def test_from_an_archive_to_an_answer(here) -> None:
    key = await brought_in(here, MODEL)
    assert "" == (await here.deployment.image_progress(key)).error
    await here.deployment.load(key)
    await here.test_inputs.put(key, "input.txt", "words.txt", b"one two three")
    await here.deployment.run(key)
    version = await here.deployment.change_status(key, VersionStatus.ACTIVE)

    assert {"words": 3} == json.loads(version.sample_output)["results"]["0001"]["results.json"]
    answer = await here.ask.one(key, ask("four"), patience=20, timeout=5)
    assert {"words": 1} == json.loads(answer.outputs["results.json"].body)


async def test_an_archive_that_is_none(here) -> None:
    key = await here.draft()
    path = here.folder / "upload.zip"
    path.write_bytes(b"PK\x03\x04 not a zip")
    await here.deployment.import_archive(key, path, path.name, 13)
    await here.until_version(key, lambda version: version.image_step.state is StepState.FAILED)

    assert (await here.deployment.image_progress(key)).error


async def test_a_model_that_cannot_be_imported_says_why(here) -> None:
    key = await brought_in(here, "import no_such_package\n" + MODEL)
    with pytest.raises(ModelFailed, match="no_such_package"):
        await here.deployment.load(key)
