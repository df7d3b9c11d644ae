"""Which version answers a path of its own, for whom, and that memory never tells an old tale."""

from dataclasses import replace

import pytest
from databases import with_tables
from rooms.catalog.test_catalog_directory import ANN, BOB, Shelf

from headrace.catalog.routes import MAX_AGE, Routes
from headrace.domain.errors import Invalid, NotFound
from headrace.domain.ids import VersionKey
from headrace.domain.model import Scope
from headrace.domain.route import segments
from headrace.domain.tensor import TensorModel
from headrace.domain.version import VersionStatus
from headrace.storage.sqlite import Sqlite

PING = ("GET", "/ping")


class Signposts(Shelf):
    """Models with routes; `routes` shares the clock that stands still."""

    def __init__(self, database):
        super().__init__(database)
        self.routes = Routes(self.versions, self.directory, lambda: self.at)

    async def with_routes(self, name, *routes, version="1.0.0", owner=ANN):
        model = await self.add(name, version, owner=owner)
        await self.declare(model, version, *routes)
        return model

    async def declare(self, model, version, *routes):
        tensors = TensorModel("mlserver", routes=routes)
        await self.versions.change(VersionKey(model, version), lambda one: replace(one, tensors=tensors), 2)

    async def meant_at(self, path, who=ANN):
        return (await self.routes.meant(who, await self.routes.at(segments(path)), path)).key


@pytest.fixture
async def posts():
    database = with_tables(Sqlite(":memory:"))
    yield Signposts(database)
    database.close()


async def test_whoever_declares_it(posts):
    model = await posts.with_routes("a", PING, ("POST", "/items/{item}"))
    await posts.with_routes("b", ("POST", "/say"))

    assert VersionKey(model, "1.0.0") == await posts.meant_at("/ping")
    assert VersionKey(model, "1.0.0") == await posts.meant_at("/items/7")
    assert [] == await posts.routes.at(segments("/pong"))


async def test_only_for_those_who_see_the_model(posts):
    model = await posts.with_routes("a", PING)
    with pytest.raises(NotFound, match="there is no /ping"):
        await posts.meant_at("/ping", BOB)
    await posts.show(model, Scope.ALL)
    assert model == (await posts.meant_at("/ping", BOB)).model


async def test_two_that_one_sees_are_an_error(posts):
    one, two = await posts.with_routes("a", PING), await posts.with_routes("b", PING)
    await posts.with_routes("c", PING, owner=BOB)

    with pytest.raises(Invalid, match=f"more than one model .* {', '.join(sorted((one, two)))}$"):
        await posts.meant_at("/ping")
    assert "c" == (await posts.directory.model(BOB, (await posts.meant_at("/ping", BOB)).model)).name


async def test_the_version_that_an_inference_would_reach(posts):
    model = await posts.add("a", "1.0.0", "2.0.0")
    await posts.declare(model, "1.0.0", PING)
    with pytest.raises(NotFound):
        await posts.meant_at("/ping")

    await posts.declare(model, "2.0.0", PING)
    assert "2.0.0" == (await posts.meant_at("/ping")).version
    await posts.move(model, "2.0.0", VersionStatus.INACTIVE)
    assert "1.0.0" == (await posts.meant_at("/ping")).version


async def test_what_another_server_changed_unheard_is_seen_after_a_while(posts):
    model = await posts.with_routes("a", PING)
    assert 1 == len(await posts.routes.at(segments("/ping")))
    unheard = TensorModel("mlserver")
    other = Signposts(posts.database)
    other.versions._events = type(other.versions._events)()  # noqa: SLF001 - nobody hears of it
    await other.versions.change(VersionKey(model, "1.0.0"), lambda one: replace(one, tensors=unheard), 3)

    assert 1 == len(await posts.routes.at(segments("/ping")))
    posts.at += MAX_AGE + 1
    assert [] == await posts.routes.at(segments("/ping"))
