"""The loop of long steps: once each, in order, whatever happens to one of them."""

import asyncio
from dataclasses import replace

import pytest
from rooms.deployment.shelved import running
from rooms.fleet.stage import Stage

from headrace.deployment import turn_rows
from headrace.deployment.steps import StepKind, Steps
from headrace.deployment.turns import SharedTurns
from headrace.domain.errors import StorageFailed
from headrace.domain.version import Step, StepState, VersionStatus
from headrace.storage.servers import Servers


@pytest.fixture
async def here(tmp_path):
    stage = Stage(tmp_path)
    await stage.open()
    yield stage
    stage.database.close()


async def nothing(_key) -> None:
    return


async def test_a_step_under_way_is_not_started_twice(here) -> None:
    key, door, runs = await here.version(), asyncio.Event(), []

    async def load(key) -> None:
        runs.append(key)
        await door.wait()

    steps = Steps(here.versions, {StepKind.IMAGE: nothing, StepKind.LOAD: load, StepKind.RUN: nothing})
    async with running(steps.run):
        for _ in range(3):
            steps.start(StepKind.LOAD, key)
        await here.until(lambda: runs)
        assert steps.under_way(StepKind.LOAD, key)
        door.set()
        await steps.over(StepKind.LOAD, key)
        assert [key] == runs

        steps.start(StepKind.LOAD, key)
        await steps.over(StepKind.LOAD, key)
        assert [key, key] == runs


async def test_a_later_step_waits_for_an_earlier_one(here) -> None:
    key, order = await here.version(), []

    def work(name):
        async def one(_key) -> None:
            await asyncio.sleep(0)
            order.append(name)

        return one

    steps = Steps(here.versions, {kind: work(kind.name) for kind in StepKind})
    async with running(steps.run):
        for kind in reversed(StepKind):
            steps.start(kind, key)
        await steps.over(StepKind.RUN, key)

    assert ["IMAGE", "LOAD", "RUN"] == order


async def test_an_accident_is_written_down_and_stops_nobody_else(here, caplog) -> None:
    key = await here.version(status=VersionStatus.PARTIAL, load=Step(StepState.RUNNING, 1, "Loading", 5))

    async def load(_key) -> None:
        raise ZeroDivisionError

    steps = Steps(here.versions, {StepKind.IMAGE: nothing, StepKind.LOAD: load, StepKind.RUN: nothing})
    async with running(steps.run):
        steps.start(StepKind.LOAD, key)
        await steps.over(StepKind.LOAD, key)
        step = (await here.versions.get(key)).load
        steps.start(StepKind.RUN, key)
        await steps.over(StepKind.RUN, key)

    assert (StepState.FAILED, "an unexpected fault of the server (ZeroDivisionError)") == (step.state, step.error)
    assert "ZeroDivisionError" in caplog.text


async def test_a_database_that_takes_nothing_is_waited_for(here, monkeypatch) -> None:
    monkeypatch.setattr("headrace.deployment.steps.AGAIN", 0.001)
    key, tries = await here.version(), []

    async def load(_key) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise StorageFailed("the disk is full")

    steps = Steps(here.versions, {StepKind.IMAGE: nothing, StepKind.LOAD: load, StepKind.RUN: nothing})
    async with running(steps.run):
        steps.start(StepKind.LOAD, key)
        await steps.over(StepKind.LOAD, key)

    assert 3 == len(tries)


async def test_a_step_that_another_server_has_ended_meanwhile_is_not_done_again(here) -> None:
    """Its turn is free by then, and the version says that nothing is left to do."""
    key, runs = await here.version(load=Step(StepState.DONE, 2, "Loaded", 100)), []

    async def load(key) -> None:
        runs.append(key)

    steps = Steps(here.versions, {StepKind.IMAGE: nothing, StepKind.LOAD: load, StepKind.RUN: nothing})
    steps.whose = SharedTurns(here.database, Servers())
    async with running(steps.run):
        steps.start(StepKind.LOAD, key)
        await steps.over(StepKind.LOAD, key)
        assert [] == runs
        assert await here.database.read(lambda tx: turn_rows.holder(tx, StepKind.LOAD, key)) is None

        await here.versions.change(key, lambda one: replace(one, load=Step(StepState.WAITING, 1, "Loading", 0)), 1)
        steps.start(StepKind.LOAD, key)
        await steps.over(StepKind.LOAD, key)
    assert [key] == runs
