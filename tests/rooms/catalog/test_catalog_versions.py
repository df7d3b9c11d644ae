"""Versions: made, changed one step at a time, remembered in memory no longer than they are true."""

import asyncio
from dataclasses import fields, replace

import pytest
from sqlalchemy import event

from headrace.catalog.search import VersionQuery
from headrace.catalog.versions import MAX_AGE, Versions
from headrace.domain.errors import Conflict, Invalid, NotFound, NotReady, TooLarge
from headrace.domain.ids import VersionKey
from headrace.domain.image import ContainerImage, FolderRecipe
from headrace.domain.listing import Filter, Page
from headrace.domain.model import Scope, Visibility
from headrace.domain.replica import Hardware
from headrace.domain.tensor import TensorModel, TensorSpec
from headrace.domain.version import (
    InputSpec,
    OutputSpec,
    Processing,
    Requirement,
    RunResult,
    Statistic,
    Step,
    StepState,
    Timeout,
    Version,
    VersionStatus,
    check_move,
)

NOW = 1_700_000_000_000
DONE = Step(StepState.DONE, 4, "Completed", 100)


@pytest.fixture
def key(model):
    return VersionKey(model.identifier, "1.0.0")


def become(status):
    def fn(old):
        check_move(old, status)
        return replace(old, status=status)

    return fn


def with_all_steps(old):
    return replace(old, image_step=DONE, load=DONE, run=DONE)


def numbers(found):
    return [version.key.version for version in found]


async def test_of_versions_that_are_published_alone_one_is_active(versions, models, key):
    keys = [key, *(VersionKey(key.model, f"{number}.0.0") for number in range(2, 6))]
    for one in keys[1:]:
        await versions.create(one, "ann@example.com", NOW)
    for one in keys:
        await versions.change(one, with_all_steps, NOW)
    await versions.change(key, become(VersionStatus.ACTIVE), NOW)
    active, inactive = become(VersionStatus.ACTIVE), become(VersionStatus.INACTIVE)
    async with asyncio.TaskGroup() as group:
        for one in keys[1:]:
            group.create_task(versions.change_only(one, active, inactive, NOW))

    [only] = (await models.get(key.model)).active_versions
    assert {"2.0.0", "3.0.0", "4.0.0", "5.0.0"} >= {only}
    assert [only] == [one.key.version for one in await versions.active()]
    assert VersionStatus.INACTIVE is (await versions.get(key)).status  # not what was remembered


async def test_a_new_version_is_a_draft_with_the_documented_defaults(versions, key):
    made = await versions.get(key)

    assert VersionStatus.PARTIAL is made.status
    assert (Timeout(60_000, 60_000), Processing(0, 1)) == (made.timeout, made.processing)
    assert (1, "1000m", "1G", Hardware(1000, 10**9)) == (
        made.requirement.identifier, made.requirement.cpu, made.requirement.memory, made.requirement.hardware,
    )  # fmt: skip
    assert ("IN_PROGRESS", "IN_PROGRESS", 0, key.model) == (
        made.image.upload_status, made.image.load_status, made.image.upload_percentage, made.image.repository_name,
    )  # fmt: skip
    assert ("ann@example.com", NOW, NOW) == (made.created_by, made.created, made.updated)


async def test_a_second_version_is_listed_with_its_model(versions, models, key):
    await versions.create(replace(key, version="1.0.0-rc.1"), "bob@example.com", NOW, "the long story")
    await versions.create(replace(key, version="0.9.0"), "bob@example.com", NOW)

    assert ("0.9.0", "1.0.0-rc.1", "1.0.0") == (await models.get(key.model)).versions
    assert "the long story" == (await versions.get(replace(key, version="1.0.0-rc.1"))).long_description


async def test_a_version_cannot_be_made_twice_nor_without_a_model(versions, key):
    with pytest.raises(Conflict, match=f"^Version 1.0.0 of model {key.model} already exists$"):
        await versions.create(key, "a@b.c", NOW)
    with pytest.raises(NotFound, match="Model nowhere not found"):
        await versions.create(VersionKey("nowhere", "1.0.0"), "a@b.c", NOW)
    with pytest.raises(Invalid, match="semantic"):
        await versions.create(replace(key, version="v2"), "a@b.c", NOW)


async def test_an_unknown_version_is_not_found(versions, key):
    with pytest.raises(NotFound, match=f"^Version 2.0.0 of model {key.model} not found$"):
        await versions.get(replace(key, version="2.0.0"))
    with pytest.raises(NotFound):
        await versions.change(replace(key, version="2.0.0"), lambda old: old, NOW)


async def test_every_field_comes_back_from_the_disk(versions, key, database):
    def fill(old):
        return Version(
            key=old.key,
            status=old.status,
            created=old.created,
            updated=old.updated,
            created_by=old.created_by,
            timeout=Timeout(1, 2),
            requirement=Requirement(-6, "GPU", "one", "2000m", "4G", 1, Hardware(2000, 4 * 10**9, 1)),
            image=ContainerImage("a", "b", 1, 2, 3, "c", "d", "e", "f"),
            image_step=Step(StepState.FAILED, 1, "Uploading container image", 5, "gone"),
            load=Step(StepState.RUNNING, 2, "Loading model 'x'", 50),
            run=DONE,
            run_result=RunResult("FAILED", "e", "why", 1, 2, 3, 4, 5, (("results.json", "application/json", "{}"),)),
            recipe=FolderRecipe("models/x", "environments/y", "model.py:Model", (("A", "1"),)),
            inputs=(InputSpec("input.txt", "text/plain", 5, "in — ü"),),
            outputs=(OutputSpec("results.json", "application/json", 6, "out"),),
            statistics=(Statistic("F1", 0.1 + 0.2, "c", "t", "d", highlight=True, order=3), Statistic("n", 1.0)),
            processing=Processing(1, 3),
            input_validation_schema="{}",
            long_description="# l",
            technical_details="t",
            performance_summary="p",
            version_history="v",
            source_type="Open Source",
            sample_input='{"a":"\\u0000"}',
            sample_output="o",
            isolation="sandbox",
            tensors=TensorModel(
                "python", (TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("y", "BYTES", ()),), 8, (("a", "b"),)
            ),
        )

    changed = await versions.change(key, fill, NOW + 1)

    assert replace(fill(changed), updated=NOW + 1) == changed == await Versions(database).get(key)
    plain = Version(changed.key, *[0] * 4)
    untouched = {one.name for one in fields(Version) if getattr(changed, one.name) == getattr(plain, one.name)}
    assert {"key"} == untouched  # a new field belongs into this test


async def test_identity_and_creation_stay_whatever_is_said(versions, key):
    made = await versions.get(key)

    changed = await versions.change(
        key, lambda old: replace(old, key=VersionKey("x", "9.0.0"), created=0, created_by="x", updated=0), NOW + 7
    )

    assert replace(made, updated=NOW + 7) == changed


async def test_the_models_lists_follow_the_status(versions, models, key):
    with pytest.raises(NotReady):
        await versions.change(key, become(VersionStatus.ACTIVE), NOW)
    await versions.change(key, with_all_steps, NOW)
    await versions.change(key, become(VersionStatus.ACTIVE), NOW)
    active = await models.get(key.model)
    assert (("1.0.0",), True) == (active.active_versions, active.active)

    await versions.change(key, become(VersionStatus.INACTIVE), NOW)
    inactive = await models.get(key.model)
    assert ((), ("1.0.0",), False) == (inactive.active_versions, inactive.versions, inactive.active)

    await versions.change(key, become(VersionStatus.DELETED), NOW)
    assert () == (await models.get(key.model)).versions
    assert [] == await versions.list(key.model, VersionQuery())
    assert ["1.0.0"] == numbers(await versions.list(key.model, VersionQuery(status=VersionStatus.DELETED)))
    with pytest.raises(Conflict, match="already exists"):  # results may still name it
        await versions.create(key, "a@b.c", NOW)


async def test_a_change_is_seen_at_once_and_a_refused_one_never(versions, key):
    await versions.get(key)

    await versions.change(key, lambda old: replace(old, long_description="new"), NOW)
    assert "new" == (await versions.get(key)).long_description

    def refuse(old):
        raise Conflict(f"no, {old.key}")

    with pytest.raises(Conflict):
        await versions.change(key, refuse, NOW)
    with pytest.raises(TooLarge):
        await versions.change(key, lambda old: replace(old, long_description="x" * (8 << 20)), NOW)
    assert "new" == (await versions.get(key)).long_description


async def test_what_is_remembered_costs_no_statement(versions, key, database):
    first = await versions.get(key)
    statements = []
    event.listen(database.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    assert all([await versions.get(key) is first for _ in range(100)])
    assert [] == statements


async def test_readers_beside_a_writer_never_keep_the_old_version(models, versions, who):
    key = VersionKey((await models.create("Echo", "1.0.0", who("ann"), NOW)).identifier, "1.0.0")

    for number in range(100):
        text = str(number)
        await asyncio.gather(
            *(versions.get(key) for _ in range(3)),
            versions.change(key, lambda old, text=text: replace(old, long_description=text), NOW),
            *(versions.get(key) for _ in range(3)),
        )
        assert text == (await versions.get(key)).long_description


async def test_changes_at_once_are_all_kept(versions, key):
    def count(old):
        return replace(old, processing=Processing(0, old.processing.maximum + 1))

    await asyncio.gather(*(versions.change(key, count, NOW) for _ in range(30)))

    assert 31 == (await versions.get(key)).processing.maximum


async def test_a_change_whose_caller_gave_up_is_seen_when_memory_is_too_old(database, key):
    seconds = iter([0.0, MAX_AGE])
    versions = Versions(database, lambda: next(seconds))
    await versions.get(key)
    change = asyncio.ensure_future(versions.change(key, lambda old: replace(old, long_description="new"), NOW))
    await asyncio.sleep(0)
    change.cancel()
    with pytest.raises(asyncio.CancelledError):
        await change
    await database.write(lambda _: None)  # by then the change is stored

    assert "new" == (await versions.get(key)).long_description


async def test_active_and_unfinished_versions_are_found_after_a_restart(versions, key, database):
    second, third = replace(key, version="2.0.0"), replace(key, version="3.0.0")
    for one in (second, third):
        await versions.create(one, "a@b.c", NOW)
    await versions.change(key, lambda old: replace(with_all_steps(old), status=VersionStatus.ACTIVE), NOW)
    await versions.change(second, lambda old: replace(old, run=Step(StepState.WAITING)), NOW + 2)
    await versions.change(third, lambda old: replace(old, image_step=Step(StepState.RUNNING, percentage=5)), NOW + 1)

    restarted = Versions(database)
    assert ["1.0.0"] == numbers(await restarted.active())
    assert ["3.0.0", "2.0.0"] == numbers(await restarted.unfinished())

    await versions.change(third, lambda old: replace(old, image_step=Step(StepState.FAILED)), NOW + 3)
    assert ["2.0.0"] == numbers(await restarted.unfinished())


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (VersionQuery(), ["1.0.0", "1.2.0", "1.10.0"]),
        (VersionQuery(version=Filter("1.1")), ["1.10.0"]),
        (VersionQuery(created_by=Filter("BOB")), ["1.2.0", "1.10.0"]),
        (VersionQuery(active=True), ["1.2.0"]),
        (VersionQuery(available=False), ["1.0.0", "1.10.0"]),
        (VersionQuery(experimental=True), []),
        (VersionQuery(status=VersionStatus.PARTIAL), ["1.0.0", "1.10.0"]),
        (VersionQuery(created=Filter("2023-11-14T22:13:21")), ["1.10.0"]),
        (VersionQuery(sort=("createdAt",), descending=True), ["1.10.0", "1.0.0", "1.2.0"]),
        (VersionQuery(sort=("processing.minimumParallelCapacity", "version")), ["1.0.0", "1.10.0", "1.2.0"]),
        (VersionQuery(page=Page(2, 2)), ["1.10.0"]),
    ],
)
async def test_versions_can_be_looked_for(versions, key, query, expected):
    await versions.create(replace(key, version="1.10.0"), "bob@example.com", NOW + 1000)
    hot = replace(key, version="1.2.0")
    await versions.create(hot, "bob@example.com", NOW)
    await versions.change(
        hot, lambda old: replace(with_all_steps(old), status=VersionStatus.ACTIVE, processing=Processing(2, 3)), NOW
    )

    assert expected == numbers(await versions.list(key.model, query))


async def test_an_unknown_order_is_refused(versions, key):
    with pytest.raises(Invalid, match="choose from version, createdAt"):
        await versions.list(key.model, VersionQuery(sort=("size",)))


async def test_all_versions_are_those_of_the_models_that_the_viewer_sees(versions, models, model, who):
    assert ("1.0.0",) == model.versions
    other = await models.create("Other", "5.0.0", who("bob", team="blue"), NOW)

    assert {"1.0.0"} == set(numbers(await versions.all(VersionQuery(viewer=who("ann")))))
    assert {"1.0.0", "5.0.0"} == set(numbers(await versions.all(VersionQuery())))

    await models.change(other.identifier, lambda old: replace(old, visibility=Visibility(Scope.ALL)), NOW)
    assert {"1.0.0", "5.0.0"} == set(numbers(await versions.all(VersionQuery(viewer=who("ann")))))
