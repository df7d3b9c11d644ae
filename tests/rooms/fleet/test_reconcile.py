"""The loop: replicas come with demand, go when idle, come back when they fail, never more than there is room for."""

import asyncio
import random
from dataclasses import replace

import pytest
from rooms.fleet.acting import Shout, ask
from rooms.fleet.stage import stage

from headrace.catalog import version_rows
from headrace.domain.errors import ModelFailed, NotFound, StorageFailed, Unavailable
from headrace.domain.image import FolderRecipe
from headrace.domain.replica import Hardware
from headrace.domain.version import Processing, Requirement, VersionStatus
from headrace.fleet import reconcile
from headrace.fleet.desired import desired
from headrace.runners.runner import Ending


@pytest.fixture(autouse=True)
def _fate_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.fleet.seat.FATE", 0.05)
    monkeypatch.setattr("headrace.fleet.lifecycle.FATE", 0.05)


async def shouted(here, key, text="a", patience=5):
    answer = await here.ask.one(key, ask(text), patience=patience, timeout=1)
    return bytes(answer.outputs["results.json"].body)


async def test_a_caller_brings_a_replica(tmp_path) -> None:
    async with stage(tmp_path) as here:
        key = await here.version()

        assert b"A" == await shouted(here, key)
        assert (1, 0, 0) == counts(here, key)
        assert here.runner.acted[0].name.startswith(f"model-batch-{key.model}-1-0-0-")


async def test_stored_inputs_bring_replicas_up_to_the_maximum(tmp_path) -> None:
    async with stage(tmp_path, engines=8) as here:
        key = await here.version(maximum=3)
        here.demand.set_waiting(key, 100)
        await here.until(lambda: counts(here, key) == (3, 0, 0))

        assert 3 == len(here.runner.alive)


async def test_a_hot_version_has_its_minimum_without_work(tmp_path) -> None:
    async with stage(tmp_path) as here:
        key = await here.version(minimum=2, maximum=4)
        await here.until(lambda: counts(here, key) == (2, 0, 0))


async def test_a_changed_minimum_is_followed_up_and_down(tmp_path) -> None:
    async with stage(tmp_path, idle_after=0) as here:
        key = await here.version(minimum=1, maximum=4)
        await here.until(lambda: len(here.runner.alive) == 1)
        await here.version_processing(key, 3, 4)
        await here.until(lambda: len(here.runner.alive) == 3)
        await here.version_processing(key, 0, 4)
        await here.until(lambda: not here.runner.alive)


async def test_idle_replicas_are_stopped(tmp_path) -> None:
    async with stage(tmp_path, idle_after=30) as here:
        key = await here.version()
        await shouted(here, key)
        await here.until(lambda: not here.runner.alive)

        assert b"A" == await shouted(here, key)


async def test_a_busy_replica_finishes_before_it_is_stopped(tmp_path) -> None:
    async with stage(tmp_path) as here:
        key = await here.version(minimum=1)
        async with asyncio.TaskGroup() as group:
            answer = group.create_task(shouted(here, key, "wait"))
            await here.until(lambda: here.routing.busy(key))
            shout = here.runner.acted[0].shout
            await shout.begun.wait()
            await here.change(key, status=VersionStatus.INACTIVE)
            await here.until(lambda: here.fleet.status(key).spinning_down == 1)
            shout.door.set()

        assert b"WAIT" == answer.result()
        await here.until(lambda: not here.runner.alive)


async def test_a_dead_replica_is_replaced(tmp_path) -> None:
    async with stage(tmp_path) as here:
        key = await here.version(minimum=1)
        await here.until(lambda: counts(here, key) == (1, 0, 0))
        here.runner.acted[0].end(Ending(signal=9))
        await here.until(lambda: len(here.runner.acted) == 2 and counts(here, key) == (1, 0, 0))

        assert here.runner.acted[0].stopped
        assert b"A" == await shouted(here, key)


async def test_a_replica_that_dies_at_work_says_why_and_is_replaced(tmp_path) -> None:
    async with stage(tmp_path) as here:
        key = await here.version()
        await shouted(here, key)
        async with asyncio.TaskGroup() as group:
            lost = group.create_task(failure(shouted(here, key, "die")))
            await here.until(lambda: here.routing.busy(key))
            here.runner.acted[0].end(Ending(limit="it used 1.2 GB of memory, its limit is 1.0 GB"))

        assert "it used 1.2 GB of memory, its limit is 1.0 GB" in str(lost.result())
        assert b"A" == await shouted(here, key)
        assert 2 == len(here.runner.acted)


async def test_a_version_that_cannot_start_tells_its_callers_soon_and_is_tried_again(tmp_path) -> None:
    async with stage(tmp_path) as here:
        key = await here.version()
        here.runner.play = lambda: Shout(refuses="No module named 'torch'")
        with pytest.raises(ModelFailed, match="No module named 'torch'"):
            await shouted(here, key, patience=60)
        assert 3 == len(here.runner.acted)
        status = here.fleet.status(key)
        assert (1, "No module named 'torch'") == (status.failed, status.last_error)
        assert status.conditions[0].startswith("failed 3 times in a row")

        here.runner.play = Shout
        await here.until(lambda: here.fleet._back_offs[key].may_start(10**15))  # noqa: SLF001
        await asyncio.sleep(0.06)
        assert b"A" == await shouted(here, key)
        assert 0 == here.fleet.status(key).failed


async def test_a_process_that_ends_while_loading_tells_the_end_of_its_log(tmp_path) -> None:
    (tmp_path / "log.txt").write_text("loading\nSegmentation fault\n\n")
    async with stage(tmp_path) as here:
        key = await here.version()

        def dying() -> Shout:
            shout = Shout()

            async def ready(_timeout: float) -> None:
                here.runner.acted[-1].end(Ending(signal=11))
                await asyncio.Event().wait()

            shout.ready = ready
            return shout

        here.runner.play = dying
        expected = (
            "no replica of this model starts: "
            "the model's process ended before it was ready: it was ended by signal 11 (SIGSEGV); "
            "the last line of its log: Segmentation fault"
        )
        assert expected == str(await failure(shouted(here, key, patience=60)))


async def test_there_are_never_more_than_the_limit(tmp_path) -> None:
    async with stage(tmp_path, engines=2) as here:
        keys = [await here.version(maximum=3) for _ in range(3)]
        for key in keys[:2]:
            here.demand.set_waiting(key, 5)
        await here.until(lambda: len(here.runner.alive) == 2)
        with pytest.raises(Unavailable, match="all 2 replicas that this installation may run are at work"):
            await shouted(here, keys[2], patience=0.2)

        assert 2 == len(here.runner.acted)
        assert [1, 1, 0] == [here.fleet.status(key).ready for key in keys]
        here.demand.set_waiting(keys[0], 0)
        assert b"A" == await shouted(here, keys[2])


async def test_a_changed_program_is_started_before_the_old_one_goes(tmp_path) -> None:
    async with stage(tmp_path, engines=2) as here:
        key = await here.version(minimum=1)
        await here.until(lambda: counts(here, key) == (1, 0, 0))
        await here.change(key, requirement=Requirement(hardware=Hardware(cpu_millis=500)))
        await here.until(lambda: here.runner.acted[0].stopped)

        assert [1_000, 500] == [acted.launch.hardware.cpu_millis for acted in here.runner.acted]
        assert (1, 0, 0) == counts(here, key)


async def test_a_changed_program_that_does_not_start_leaves_the_old_one_at_work(tmp_path) -> None:
    async with stage(tmp_path) as here:
        key = await here.version(minimum=1)
        await here.until(lambda: counts(here, key) == (1, 0, 0))
        here.runner.play = lambda: Shout(refuses="broken")
        await here.change(key, recipe=FolderRecipe("models/new", "environments/bare/bin/python", "model.py:Model"))
        await here.until(lambda: len(here.runner.acted) > 3)

        assert b"A" == await shouted(here, key)


async def test_an_inactive_version_still_works_off_what_was_accepted(tmp_path) -> None:
    async with stage(tmp_path) as here:
        key = await here.version(status=VersionStatus.INACTIVE)
        here.demand.set_waiting(key, 1)

        assert b"A" == await shouted(here, key)
        here.demand.set_waiting(key, 0)
        await here.change(key)
        await here.until(lambda: not here.runner.alive)


async def test_a_deleted_version_turns_callers_away(tmp_path) -> None:
    async with stage(tmp_path) as here:
        key = await here.version(minimum=1)
        await here.until(lambda: here.runner.alive)
        await here.change(key, status=VersionStatus.DELETED)
        await here.until(lambda: not here.runner.alive)
        with pytest.raises(ModelFailed, match="does not run any more: it is deleted"):
            await shouted(here, key, patience=60)


async def test_a_draft_runs_while_it_is_held(tmp_path) -> None:
    async with stage(tmp_path, idle_after=20) as here:
        key = await here.version(status=VersionStatus.PARTIAL)
        async with here.fleet.hold(key) as held:
            proof = await held.ready(5)
            assert here.runner.acted[0].name == proof.engine
            assert ("process", ("input.txt",)) == (proof.isolation, proof.info.inputs)
            assert proof == await held.ready(5)
        await here.until(lambda: not here.runner.alive)


async def test_a_held_draft_tells_its_first_failure(tmp_path) -> None:
    async with stage(tmp_path) as here:
        key = await here.version(status=VersionStatus.PARTIAL)
        here.runner.play = lambda: Shout(refuses="No module named 'torch'")
        async with here.fleet.hold(key) as held:
            with pytest.raises(ModelFailed, match="No module named 'torch'"):
                await held.ready(60)

        assert 1 == len(here.runner.acted)
        here.runner.play = Shout
        async with here.fleet.hold(key) as held:
            await held.ready(60)


async def test_a_hold_without_room_ends_with_patience(tmp_path) -> None:
    async with stage(tmp_path, engines=1) as here:
        await here.version(minimum=1)
        key = await here.version(status=VersionStatus.PARTIAL)
        await here.until(lambda: here.runner.alive)
        async with here.fleet.hold(key) as held:
            with pytest.raises(Unavailable, match="could be started within"):
                await held.ready(0.1)


async def test_an_unknown_version_cannot_be_held(tmp_path) -> None:
    async with stage(tmp_path) as here:
        key = await here.version()
        with pytest.raises(NotFound):
            async with here.fleet.hold(type(key)("nope", "1.0.0")):
                pass


async def test_a_question_that_takes_too_long_costs_its_replica_and_no_delay(tmp_path) -> None:
    async with stage(tmp_path, first_delay=60, longest_delay=60) as here:
        key = await here.version()
        for _ in range(3):
            assert "did not answer within" in str(await failure(shouted(here, key, "late")))

        assert b"A" == await shouted(here, key)
        assert 4 == len(here.runner.acted)


async def test_all_are_stopped_when_the_server_stops(tmp_path) -> None:
    async with stage(tmp_path) as here:
        await here.version(minimum=3, maximum=3)
        await here.until(lambda: len(here.runner.alive) == 3)

    assert [] == here.runner.alive
    assert all(acted.shout.closed for acted in here.runner.acted)


async def test_what_is_told_of_all_versions(tmp_path) -> None:
    async with stage(tmp_path) as here:
        cold, hot = await here.version(), await here.version(minimum=1)
        await here.until(lambda: counts(here, hot) == (1, 0, 0))

        statuses = here.fleet.statuses()
        assert {cold, hot} == set(statuses)
        assert ("ready",) == tuple(engine.state for engine in statuses[hot].engines)


def counts(here, key):
    status = here.fleet.status(key)
    return status.ready, status.spinning_up, status.failed


async def failure(call):
    with pytest.raises(ModelFailed) as caught:
        await call
    return caught.value


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_to_replicas_every_caller_hears_something(tmp_path, monkeypatch, seed) -> None:
    monkeypatch.setattr("headrace.fleet.seat.FATE", 0.001)
    chance = random.Random(seed)
    async with stage(tmp_path, engines=3) as here:
        keys = [await here.version(maximum=2) for _ in range(3)]
        most = []

        async def caller(number: int) -> bytes | str:
            await asyncio.sleep(chance.random() / 5)
            text = chance.choice(["a", "b", "late", "die", "gone", "short"])
            try:
                return await shouted(here, keys[number % 3], text, patience=30)
            except (ModelFailed, Unavailable) as error:
                return str(error)

        async def trouble() -> None:
            while True:
                await asyncio.sleep(0.005)
                most.append(len(here.runner.alive))
                if here.runner.alive and chance.random() < 0.3:
                    chance.choice(here.runner.alive).end(Ending(signal=9))
                here.runner.play = chance.choice([Shout, Shout, lambda: Shout(refuses="not today")])

        async with asyncio.TaskGroup() as group:
            ghost = group.create_task(trouble())
            answers = await asyncio.gather(*(caller(number) for number in range(80)))
            ghost.cancel()
        here.runner.play = Shout
        for key in keys:
            await here.until(lambda key=key: not here.routing.waiting(key) and not here.routing.busy(key))
            await asyncio.sleep(0.06)
            assert b"A" == await shouted(here, key)

    # How many of them were answered is chance (a slow machine may lose every replica); that all of them heard is not.
    assert 80 == len(answers)
    assert max(most) <= 3


NEVER = 600.0  # seconds: with so long between two looks, only what rings and what is due is seen


async def test_at_rest_it_looks_seldom(tmp_path, monkeypatch) -> None:
    looks = []
    monkeypatch.setattr(reconcile, "desired", lambda *given: looks.append(given) or desired(*given))
    async with stage(tmp_path, look=0.01) as here:
        key = await here.version(minimum=1)
        await here.until(lambda: counts(here, key) == (1, 0, 0))
        assert b"A" == await shouted(here, key)
        await asyncio.sleep(0.2)
        looks.clear()
        await asyncio.sleep(0.5)

        assert len(looks) <= 1


async def test_while_a_replica_works_it_looks_often(tmp_path, monkeypatch) -> None:
    looks = []
    monkeypatch.setattr(reconcile, "desired", lambda *given: looks.append(given) or desired(*given))
    async with stage(tmp_path, look=0.01) as here:
        key = await here.version(minimum=1)
        async with asyncio.TaskGroup() as group:
            group.create_task(shouted(here, key, "wait"))
            await here.until(lambda: here.routing.busy(key))
            looks.clear()
            await here.until(lambda: len(looks) > 5)
            here.runner.acted[0].shout.door.set()


async def test_a_change_is_followed_without_a_look(tmp_path) -> None:
    async with stage(tmp_path, look=NEVER) as here:
        key = await here.version(minimum=1)
        await here.until(lambda: counts(here, key) == (1, 0, 0))
        await here.versions.change(key, lambda old: replace(old, processing=Processing(2, 2)), 2)
        await here.until(lambda: counts(here, key) == (2, 0, 0))


async def test_an_old_program_goes_as_soon_as_the_new_one_is_ready(tmp_path) -> None:
    async with stage(tmp_path, look=NEVER) as here:
        key = await here.version(minimum=1)
        await here.until(lambda: counts(here, key) == (1, 0, 0))
        await here.change(key, recipe=FolderRecipe("models/other", "environments/bare/bin/python", "model.py:Model"))
        await here.until(lambda: len(here.runner.acted) == 2 and here.runner.acted[0].stopped)


async def test_idle_replicas_are_stopped_without_a_look(tmp_path) -> None:
    async with stage(tmp_path, look=NEVER, idle_after=100) as here:
        key = await here.version()
        await shouted(here, key)
        await here.until(lambda: not here.runner.alive)


async def test_a_change_that_nobody_told_is_seen_in_time(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(reconcile, "REST", 0.02)
    monkeypatch.setattr(reconcile, "READ_AGAIN", 0)
    async with stage(tmp_path, look=0.01) as here:
        key = await here.version(minimum=1)
        await here.until(lambda: counts(here, key) == (1, 0, 0))
        more = replace(await here.versions.get(key), processing=Processing(2, 2))
        await here.database.write(lambda tx: version_rows.save(tx, more, lists=False))
        await here.until(lambda: counts(here, key) == (2, 0, 0))


async def test_what_could_not_be_read_is_read_again(tmp_path, monkeypatch) -> None:
    async with stage(tmp_path) as here:
        active, failures = here.versions.active, iter((True, True))

        async def read():
            if next(failures, False):
                raise StorageFailed("not now")
            return await active()

        monkeypatch.setattr(here.versions, "active", read)
        key = await here.version(minimum=1)
        await here.until(lambda: counts(here, key) == (1, 0, 0))
