"""From a draft to an active version, with everything that goes wrong on the way."""

import asyncio
import json

import pytest
from rooms.deployment.shelved import CLAIMS, Works, running, works
from rooms.fleet.acting import Shout

from headrace.domain.errors import Conflict, Invalid, ModelFailed, NotReady
from headrace.domain.ids import VersionKey
from headrace.domain.version import ARM, InputSpec, Requirement, Step, StepState, VersionStatus
from headrace.runners.runner import Ending


async def test_the_whole_way(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.draft()
        assert StepState.WAITING is (await here.deployment.import_archive(key, here.upload(), "shout.zip", 300)).state
        await here.until_version(key, lambda version: version.image_step.percentage == 100)
        loaded = await here.deployment.load(key)
        assert (StepState.DONE, 100, "process") == (loaded.load.state, loaded.load.percentage, loaded.isolation)
        await here.test_inputs.put(key, "input.txt", "hi.txt", b"hi")
        assert StepState.WAITING is (await here.deployment.run(key)).run.state
        active = await here.deployment.change_status(key, VersionStatus.ACTIVE)  # waits for the test

        assert active.active
        assert Step(StepState.DONE, 5, "Completed", 100) == active.run
        result = active.run_result
        assert ("SUCCESSFUL", None, 2, 1) == (result.status, result.error, result.input_size, result.elapsed)
        assert (("results.json", "text/plain", "HI"),) == result.outputs
        assert {
            "model": {"identifier": key.model, "version": "1.0.0"},
            "input": {"type": "text", "sources": {"0001": {"input.txt": "hi"}}},
        } == json.loads(active.sample_input)
        assert "HI" == json.loads(active.sample_output)["results"]["0001"]["results.json"]


async def test_what_the_folder_says_fills_in_what_nobody_said(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.draft()
        await here.change(key, long_description="said before")
        await here.import_(key)
        await here.until_version(key, lambda version: version.image_step.state is StepState.DONE)
        version = await here.versions.get(key)

        assert (InputSpec("input.txt", "text/plain", 1000, "what to shout"),) == version.inputs
        assert ("results.json", "application/json") == (version.outputs[0].name, version.outputs[0].media_type)
        assert (20_000, 5_000) == (version.timeout.status, version.timeout.run)
        assert ("2000m", "4G") == (version.requirement.cpu, version.requirement.memory)
        assert "said before" == version.long_description
        assert "Says it louder" == (await here.models.get(key.model)).description
        assert ("COMPLETED", 100, len(CLAIMS)) == (
            version.image.upload_status,
            version.image.upload_percentage,
            version.image.size,
        )
        assert ("models/1", "environments/1/bin/python", "model.py:Model") == (
            version.recipe.folder,
            version.recipe.environment,
            version.recipe.entry,
        )


async def test_a_folder_on_the_server(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.draft()
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / "model.yaml").write_text(CLAIMS)
        await here.deployment.import_folder(key, str(mine))
        await here.until_version(key, lambda version: version.image_step.state is StepState.DONE)

        assert (mine / "model.yaml").exists()


async def test_the_upload_is_removed_when_it_is_in(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.draft()
        await here.import_(key)
        await here.until_version(key, lambda version: version.image_step.state is StepState.DONE)
        await here.until(lambda: not list((tmp_path / "imports").iterdir()))


async def test_a_bad_archive_is_told_and_may_be_sent_again(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.draft()
        await here.import_(key, "bomb")
        await here.until_version(key, lambda version: version.image_step.state is StepState.FAILED)
        assert "the archive unpacks to more than 16 GB" == (await here.deployment.image_progress(key)).error
        with pytest.raises(Conflict, match=r"the container image failed \(the archive unpacks to more"):
            await here.deployment.load(key)

        await here.import_(key)
        await here.until_version(key, lambda version: version.image_step.state is StepState.DONE)
        await here.deployment.load(key)


async def test_an_environment_that_cannot_be_made_is_told(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.draft()
        here.environments.refuses = "no wheel for torch==0.0.1"
        await here.import_(key)
        await here.until_version(key, lambda version: version.image_step.state is StepState.FAILED)

        assert "no wheel for torch==0.0.1" == (await here.deployment.image_progress(key)).error


async def test_load_before_the_image_is_there_is_not_ready(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.draft()
        with pytest.raises(NotReady, match="the container image has not been done; send POST"):
            await here.deployment.load(key)
        here.shelf.door.clear()
        await here.import_(key)
        with pytest.raises(NotReady, match="the container image is still under way"):
            await here.deployment.load(key)
        with pytest.raises(Conflict, match="is being brought in already"):
            await here.import_(key)
        here.shelf.door.set()


async def test_a_new_image_makes_the_tests_worthless(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.loaded_draft()
        await here.import_(key)
        await here.until_version(key, lambda version: version.image_step.state is StepState.DONE)

        assert Step() == (await here.versions.get(key)).load


async def test_the_image_of_a_published_version_stays(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.version()
        with pytest.raises(Conflict, match="is active: its image stays as it is"):
            await here.import_(key)


async def test_a_model_that_does_not_load_says_why(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.loaded_draft()
        here.runner.play = lambda: Shout(refuses="No module named 'torch'")
        with pytest.raises(ModelFailed, match=r"^No module named 'torch'"):
            await here.deployment.load(key)
        version = await here.versions.get(key)
        assert (StepState.FAILED, "FAILED") == (version.load.state, version.image.load_status)

        here.runner.play = Shout
        assert StepState.DONE is (await here.deployment.load(key)).load.state


async def test_two_who_load_at_once_share_one_test(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.loaded_draft()
        async with asyncio.TaskGroup() as group:
            both = [group.create_task(here.deployment.load(key)) for _ in range(2)]

        assert [StepState.DONE] * 2 == [one.result().load.state for one in both]
        assert 1 == len(here.runner.acted)


async def test_the_test_goes_on_when_its_caller_has_gone(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.loaded_draft()
        async with asyncio.TaskGroup() as group:
            caller = group.create_task(here.deployment.load(key))
            await here.until(lambda: here.runner.acted)
            caller.cancel()
        await here.until_version(key, lambda version: version.load.state is StepState.DONE)


async def test_a_run_needs_its_steps_and_files(tmp_path) -> None:
    async with works(tmp_path) as here:
        draft, key = await here.draft(), await here.loaded_draft()
        with pytest.raises(NotReady, match="the container image has not been done"):
            await here.deployment.run(draft)
        with pytest.raises(NotReady, match=r"there is no test file for input\.txt yet: send one with POST"):
            await here.deployment.run(key)
        await here.test_inputs.put(key, "input.txt", "hi.txt", b"hi")
        await here.test_inputs.put(key, "other.txt", "hi.txt", b"hi")
        with pytest.raises(Invalid, match=r"do not fit: the model does not know the input other\.txt"):
            await here.deployment.run(key)


@pytest.mark.parametrize(
    ("text", "error"),
    [(b"no", "it says no"), (b"late", "did not answer within 60 s"), (b"die", "connection closed")],
)
async def test_a_run_that_fails_is_complete_and_says_why(tmp_path, monkeypatch, text, error) -> None:
    monkeypatch.setattr("headrace.fleet.seat.FATE", 0.0)
    async with works(tmp_path) as here:
        key = await here.loaded_draft()
        await here.test_inputs.put(key, "input.txt", "hi.txt", text)
        await here.deployment.run(key)
        await here.until_version(key, lambda version: version.run.percentage == 100)
        version = await here.versions.get(key)

        assert ("FAILED", StepState.FAILED, len(text)) == (
            version.run_result.status,
            version.run.state,
            version.run_result.input_size,
        )
        assert error in version.run_result.error
        with pytest.raises(NotReady, match="the run test failed"):
            await here.deployment.change_status(key, VersionStatus.ACTIVE)


async def test_a_run_whose_replica_does_not_start_says_why(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.loaded_draft()
        await here.test_inputs.put(key, "input.txt", "hi.txt", b"hi")
        here.runner.play = lambda: Shout(refuses="No module named 'torch'")
        await here.deployment.run(key)
        await here.until_version(key, lambda version: version.run.percentage == 100)

        assert "No module named 'torch'" == (await here.versions.get(key)).run_result.error


async def test_arm_is_published_without_a_run(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.loaded_draft()
        with pytest.raises(NotReady, match="the run test has not been done"):
            await here.deployment.change_status(key, VersionStatus.ACTIVE)
        await here.change(key, requirement=Requirement(ARM))

        assert (await here.deployment.change_status(key, VersionStatus.ACTIVE)).active


async def test_what_is_published_takes_over_the_replica_of_its_test(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.loaded_draft()
        await here.deployment.load(key)
        await here.test_inputs.put(key, "input.txt", "hi.txt", b"hi")
        await here.deployment.run(key)
        await here.deployment.change_status(key, VersionStatus.ACTIVE)
        await here.until(lambda: here.fleet.status(key).ready == 1)

        assert 1 == len(here.runner.acted)


async def test_what_is_published_alone_takes_the_place_of_what_was_before(tmp_path) -> None:
    async with works(tmp_path) as here:
        before = await here.version()
        key = VersionKey(before.model, "2.0.0")
        await here.versions.create(key, "a@b.c", 0)
        with pytest.raises(NotReady):
            await here.deployment.publish_only(key)
        assert (await here.versions.get(before)).active
        tested = await here.versions.get(before)
        await here.change(key, image_step=tested.image_step, load=tested.load, run=tested.run, recipe=tested.recipe)

        assert (await here.deployment.publish_only(key)).active
        assert (await here.deployment.publish_only(key)).active
        assert VersionStatus.INACTIVE is (await here.versions.get(before)).status


async def test_moves_that_are_not_allowed(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.version()
        with pytest.raises(Conflict, match="is active and cannot become canceled"):
            await here.deployment.change_status(key, VersionStatus.CANCELED)
        await here.deployment.change_status(key, VersionStatus.REJECTED)
        with pytest.raises(Conflict, match="is rejected and cannot be tested"):
            await here.deployment.load(key)


async def test_a_restart_goes_on_with_the_import(tmp_path) -> None:
    here = Works(tmp_path)
    await here.open()
    key = await here.draft()
    here.shelf.door.clear()
    async with running(here.fleet.run, here.deployment.run_forever):
        await here.import_(key)
        await here.until_version(key, lambda version: version.image_step.state is StepState.RUNNING)
    here.shelf.door.set()
    (tmp_path / "imports" / "left-over").write_bytes(b"of an upload that was never asked for")
    here.deployment = here.opened()
    async with running(here.fleet.run, here.deployment.run_forever):
        await here.until_version(key, lambda version: version.image_step.state is StepState.DONE)
        await here.until(lambda: not list((tmp_path / "imports").iterdir()))
    here.database.close()


async def test_a_restart_goes_on_with_the_tests(tmp_path) -> None:
    here = Works(tmp_path)
    await here.open()
    loading, testing = await here.loaded_draft(), await here.loaded_draft()
    await here.test_inputs.put(testing, "input.txt", "hi.txt", b"hi")
    await here.change(loading, load=Step(StepState.RUNNING, 1, "Loading model 'x'", 5))
    await here.change(testing, run=Step(StepState.RUNNING, 3, "Submitting inputs", 50))
    async with running(here.fleet.run, here.deployment.run_forever):
        await here.until_version(loading, lambda version: version.load.state is StepState.DONE)
        await here.until_version(testing, lambda version: version.run.state is StepState.DONE)
    here.database.close()


async def test_a_replica_over_its_limit_is_told_in_the_load_test(tmp_path) -> None:
    async with works(tmp_path) as here:
        key = await here.loaded_draft()

        def greedy() -> Shout:
            shout = Shout()

            async def ready(_timeout: float) -> None:
                here.runner.acted[-1].end(Ending(limit="it used 1.2 GB of memory, its limit is 1.0 GB"))
                await asyncio.Event().wait()

            shout.ready = ready
            return shout

        here.runner.play = greedy
        with pytest.raises(ModelFailed, match=r"it used 1\.2 GB of memory"):
            await here.deployment.load(key)
