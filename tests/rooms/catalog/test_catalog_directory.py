"""Which model and version a name means, and that memory never tells an old tale."""

from dataclasses import replace

import pytest
from databases import with_tables

from headrace.catalog import directory
from headrace.catalog.directory import Directory
from headrace.catalog.models import Models
from headrace.catalog.versions import Versions
from headrace.domain.account import Principal, Role, Status, User
from headrace.domain.errors import Invalid, NotFound, NotReady
from headrace.domain.ids import VersionKey
from headrace.domain.model import Scope, Visibility
from headrace.domain.version import VersionStatus
from headrace.storage.events import Events
from headrace.storage.sqlite import Sqlite


def person(name, *roles):
    user = User(f"u-{name}", name, f"{name}@example.com", name, "", "", Status.ACTIVE, 1)
    return Principal("acme", "t-1", user, f"key{name}", frozenset(roles or {Role.DATA_SCIENTIST}))


ANN, BOB = person("ann"), person("bob")


class Shelf:
    """Models and versions in a real database, and a clock that stands still."""

    def __init__(self, database):
        self.database = database
        self.models, self.versions = Models(database), Versions(database)
        self.at = 0.0
        self.directory = Directory(self.models, self.versions, lambda: self.at)

    async def add(self, name, *versions, owner=ANN, status=VersionStatus.ACTIVE):
        first, *others = versions
        model = (await self.models.create(name, first, owner, 1)).identifier
        for version in others:
            await self.versions.create(VersionKey(model, version), owner.user.email, 1)
        for version in versions:
            await self.move(model, version, status)
        return model

    async def move(self, model, version, status):
        await self.versions.change(VersionKey(model, version), lambda one: replace(one, status=status), 2)

    async def show(self, model, scope):
        await self.models.change(model, lambda one: replace(one, visibility=Visibility(scope)), 2)

    async def meant(self, name, version=None, who=ANN):
        model, found = await self.directory.resolve(who, name, version)
        assert model.identifier == found.key.model
        return model.identifier, found.key.version


class Untold:
    """The same rows, but nobody hears what is changed."""

    def __init__(self, database):
        self.write, self.read, self.events = database.write, database.read, Events()


@pytest.fixture
async def shelf():
    database = with_tables(Sqlite(":memory:"))
    yield Shelf(database)
    database.close()


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (None, "10.0.0"),
        ("1", "1.10.0"),
        ("01", "1.10.0"),
        ("1.2.0", "1.2.0"),
        ("2", "2.0.0-rc.1"),
        ("10", "10.0.0"),
        ("10.0.0", "10.0.0"),
        ("v1", "1.10.0"),
        ("v1.2.0", "1.2.0"),
    ],
)
async def test_versions(shelf, asked, meant):
    model = await shelf.add("m", "1.2.0", "1.10.0", "2.0.0-rc.1", "10.0.0")
    for name in ("m", model):
        assert (model, meant) == await shelf.meant(name, asked)


@pytest.mark.parametrize(
    "asked", ["3", "1.2", "1.2.3", "latest", "", "-1", "1.", "\N{ARABIC-INDIC DIGIT ONE}", "9" * 5000]
)
async def test_versions_that_are_not_there(shelf, asked):
    await shelf.add("m", "1.2.0")
    with pytest.raises(NotFound, match="Request for unknown model: 'm' version"):
        await shelf.meant("m", asked)


@pytest.mark.parametrize("name", ["nope", "", "M", "m ", "x" * 300, "a\nb", "m,m", "%"])
async def test_names_that_are_not_there(shelf, name):
    await shelf.add("m", "1.2.0")
    with pytest.raises(NotFound, match="Request for unknown model"):
        await shelf.meant(name)


@pytest.mark.parametrize("name", ["with space", "a,b;c", "ä", "50%_", "stats"])
async def test_names_of_every_kind(shelf, name):
    model = await shelf.add(name, "1.0.0")
    await shelf.add(f"x{name}x", "1.0.0")
    assert (model, "1.0.0") == await shelf.meant(name)


async def test_what_is_not_active_is_known_but_not_ready(shelf):
    await shelf.add("m", "1.0.0", "2.0.0", status=VersionStatus.INACTIVE)
    with pytest.raises(NotReady, match="Request for unknown model: 'm' has no available versions"):
        await shelf.meant("m")
    for version in ("1", "2.0.0"):
        with pytest.raises(NotReady, match="is not ready"):
            await shelf.meant("m", version)
    for version, expected in ((None, "2.0.0"), ("1", "1.0.0")):
        assert expected == (await shelf.directory.known(ANN, "m", version))[1].key.version


async def test_an_active_version_comes_before_a_higher_one(shelf):
    model = await shelf.add("m", "1.0.0", "1.1.0")
    await shelf.move(model, "1.1.0", VersionStatus.INACTIVE)
    assert (model, "1.0.0") == await shelf.meant("m") == await shelf.meant("m", "1")


async def test_a_deleted_model_is_not_there(shelf):
    model = await shelf.add("m", "1.0.0")
    await shelf.meant("m")
    await shelf.move(model, "1.0.0", VersionStatus.DELETED)
    for ask in (shelf.meant("m"), shelf.directory.known(ANN, "m"), shelf.directory.model(ANN, model)):
        with pytest.raises(NotFound):
            await ask


async def test_what_one_may_not_see_is_not_there(shelf):
    model = await shelf.add("m", "1.0.0")
    assert (model, "1.0.0") == await shelf.meant("m")  # it is in memory now
    for name in ("m", model):
        with pytest.raises(NotFound, match="is not found"):
            await shelf.meant(name, who=BOB)
    await shelf.show(model, Scope.ACCOUNT)
    assert (model, "1.0.0") == await shelf.meant("m", who=BOB)
    await shelf.show(model, Scope.PRIVATE)
    with pytest.raises(NotFound):
        await shelf.meant("m", who=BOB)


async def test_one_name_of_two_models(shelf):
    mine, other = await shelf.add("m", "1.0.0"), await shelf.add("m", "2.0.0")
    with pytest.raises(Invalid) as told:
        await shelf.meant("m")
    assert mine in told.value.message
    assert other in told.value.message
    assert (other, "2.0.0") == await shelf.meant(other)
    await shelf.move(other, "2.0.0", VersionStatus.INACTIVE)
    assert (mine, "1.0.0") == await shelf.meant("m")


async def test_two_models_of_which_one_sees_one(shelf):
    mine, others = await shelf.add("m", "1.0.0"), await shelf.add("m", "1.0.0", owner=BOB)
    assert (mine, "1.0.0") == await shelf.meant("m")
    assert (others, "1.0.0") == await shelf.meant("m", who=BOB)


async def test_a_new_model_and_version_are_seen_at_once(shelf):
    model = await shelf.add("m", "1.0.0")
    await shelf.meant("m")
    await shelf.versions.create(VersionKey(model, "1.0.1"), "a@b.c", 3)
    await shelf.move(model, "1.0.1", VersionStatus.ACTIVE)
    assert (model, "1.0.1") == await shelf.meant("m", "1")
    await shelf.add("m", "1.0.0")
    with pytest.raises(Invalid):
        await shelf.meant("m")


async def test_a_new_name_is_seen_at_once(shelf):
    model = await shelf.add("old", "1.0.0")
    await shelf.meant("old")
    await shelf.models.change(model, lambda one: replace(one, name="new"), 2)
    assert (model, "1.0.0") == await shelf.meant("new")
    with pytest.raises(NotFound):
        await shelf.meant("old")


async def test_the_database_is_asked_once(shelf):
    await shelf.add("m", "1.0.0")
    first = await shelf.directory.resolve(ANN, "m")
    shelf.database.close()
    assert first == await shelf.directory.resolve(ANN, "m")


async def test_a_change_that_this_server_was_not_told_of_is_seen_in_time(shelf):
    model = await shelf.add("m", "1.0.0")
    await shelf.meant("m")
    other = Models(Untold(shelf.database))
    await other.change(model, lambda one: replace(one, name="new"), 2)
    assert (model, "1.0.0") == await shelf.meant("m")
    shelf.at += directory.MAX_AGE + 0.1
    with pytest.raises(NotFound):
        await shelf.meant("m")


async def test_all_that_one_sees(shelf):
    names = {"a", "b", "c"}
    for name in names:
        await shelf.add(name, "1.0.0")
    await shelf.add("d", "1.0.0", owner=BOB)
    assert names == {model.name for model in await shelf.directory.all(ANN)}
