"""Index, load and unload, with the bodies that real clients send."""

import asyncio
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest
from rooms.api.house import DONE, house
from rooms.api.oip.conftest import in_memory
from rooms.api.oip.served import publish, request

from headrace.api.oip.brought import brought
from headrace.api.oip.loading import Loading
from headrace.api.oip.repository import Repository, state_of
from headrace.catalog.directory import Directory
from headrace.catalog.models import Models
from headrace.catalog.versions import Versions
from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.account import Role
from headrace.domain.clock import now
from headrace.domain.errors import Invalid, ModelFailed
from headrace.domain.ids import VersionKey
from headrace.domain.image import FolderRecipe, ImageRecipe
from headrace.domain.model import Scope, Visibility
from headrace.domain.replica import Isolation, ReplicaState
from headrace.domain.version import Step, StepState, Version, VersionStatus
from headrace.fleet.status import EngineStatus
from headrace.settings import StorageSettings
from headrace.storage.opening import open_database

LOAD, UNLOAD, INDEX = (
    "/v2/repository/models/echo/load",
    "/v2/repository/models/echo/unload",
    "/v2/repository/index",
)


class Starts:
    """Replicas that get ready at once, or say why they cannot."""

    isolation = Isolation.PROCESS

    def __init__(self):
        self.trouble = ""

    async def live(self, life, on_ready):
        if self.trouble:
            raise ModelFailed(self.trouble)
        life.state, life.info = ReplicaState.READY, ReplicaInfo()
        on_ready(life)
        await life.stop.wait()


@pytest.fixture
def starts():
    return Starts()


@pytest.fixture
async def home(tmp_path, echo, starts):
    async with house(tmp_path, lifecycle=starts) as found:
        await publish(found, dialect=echo)
        running = asyncio.ensure_future(found.rooms.fleet.run())
        yield found
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_index_of_an_empty_body(client):
    for content in (b"", b"{}", b'{"ready": true}', b" "):
        answer = await client.post(INDEX, content=content, headers={"Content-Type": "application/octet-stream"})
        assert [{"name": "echo", "version": "1.0.0", "state": "READY"}] == answer.json()


async def test_the_index_tells_why(home, client):
    principal = await home.rooms.keys.principal(f"ApiKey {home.key}")
    await home.rooms.models.create("draft", "1.0.0", principal, now())
    found = (await client.post(INDEX)).json()
    assert ("draft", "UNAVAILABLE", "it is partial") == tuple(found[0][name] for name in ("name", "state", "reason"))
    assert ["echo"] == [one["name"] for one in (await client.post(INDEX, json={"ready": True})).json()]


async def test_in_the_index_models_of_one_name_go_by_their_identifiers(home, client):
    second = await publish(home)
    names = [one["name"] for one in (await client.post(INDEX)).json()]
    assert second in names
    assert "echo" not in names
    for name in names:
        assert 200 == (await client.get(f"/v2/models/{name}/ready")).status_code


@pytest.mark.parametrize("name", [" new", "new ", "\u00a0new"])
async def test_a_model_is_not_made_by_another_name_than_it_was_asked_for(home, client, name):
    """Names are kept without the spaces around them."""
    principal = await home.rooms.keys.principal(f"ApiKey {home.key}")
    with pytest.raises(Invalid, match=r"cannot be called .* a name neither begins nor ends with a space"):
        await Repository(home.rooms).load(principal, name, brought({"file:model.py": "AA=="}))
    assert ["echo"] == [one["name"] for one in (await client.post(INDEX)).json()]


@pytest.mark.parametrize("name", ["stats", "..", "."])
async def test_a_model_without_an_address_of_its_name_goes_by_its_identifier(home, client, name):
    files = {"parameters": {"file:model.py": "AA=="}}
    principal = await home.rooms.keys.principal(f"ApiKey {home.key}")
    with pytest.raises(Invalid, match=rf"load failed for model '{name}': a model cannot be called '{name}'"):
        await Repository(home.rooms).load(principal, name, brought(files["parameters"]))
    assert ["echo"] == [one["name"] for one in (await client.post(INDEX)).json()]

    own = await publish(home, name)
    assert own in [one["name"] for one in (await client.post(INDEX)).json()]
    assert name == (await home.rooms.models.get(own)).name
    assert own == (await client.get(f"/v2/models/{own}")).json()["name"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b'{"ready": "yes"}', 400, "Invalid value for 'ready': expected a boolean"),
        (b"[" * 100_000, 400, "the body"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400, "nested too deeply"),
        (b"[]", 400, "should be an object"),
        (b"{", 400, "not valid JSON"),
    ],
)
async def test_bodies_that_are_none(client, body, status, says):
    answer = await client.post(INDEX, content=body)
    assert (status, True) == (answer.status_code, says in answer.json()["error"])


async def test_repositories_have_no_names(client):
    for path in ("/v2/repository/mine/index", "/v2/repository/mine/models/echo/load"):
        answer = await client.post(path)
        expected = (501, {"error": "'repository_name' specification is not supported"})
        assert expected == (answer.status_code, answer.json())


async def test_unload_and_load_again(client):
    parameters = {"parameters": {"unload_dependents": False}}
    answer = await client.post(UNLOAD, json=parameters)
    assert (200, {"name": "echo", "unload": True}) == (answer.status_code, answer.json())
    assert 503 == (await client.get("/v2/models/echo/ready")).status_code
    assert 503 == (await client.post("/v2/models/echo/infer", json=request())).status_code
    assert "unloaded" == (await client.post(INDEX)).json()[0]["reason"]

    answer = await client.post(LOAD, content=b"{}")
    assert (200, {"name": "echo", "load": True}) == (answer.status_code, answer.json())
    assert 200 == (await client.post("/v2/models/echo/infer", json=request())).status_code
    assert 200 == (await client.post(LOAD)).status_code


@pytest.mark.parametrize(("value", "shown"), [("x", '"x"'), (1, "1"), ([True], "[true]")])
async def test_a_parameter_of_unload_of_another_type(client, value, shown):
    answer = await client.post(UNLOAD, json={"parameters": {"unload_dependents": value}})
    expected = {"error": f"the parameter unload_dependents should be true or false, not {shown}"}
    assert (400, expected) == (answer.status_code, answer.json())
    assert 200 == (await client.post("/v2/models/echo/infer", json=request())).status_code


async def test_a_load_that_fails_says_why_and_publishes_nothing(client, starts):
    await client.post(UNLOAD)
    starts.trouble = "no such file"
    answer = await client.post(LOAD)
    expected = "load failed for model 'echo': version 1.0.0 is at UNAVAILABLE state: no such file"
    assert (400, expected) == (answer.status_code, answer.json()["error"])
    assert 503 == (await client.get("/v2/models/echo/ready")).status_code


async def test_what_cannot_be_loaded(home, client):
    assert 404 == (await client.post("/v2/repository/models/nope/load")).status_code
    assert 200 == (await client.post("/v2/repository/models/nope/unload")).status_code
    assert 400 == (await client.post(UNLOAD, json={"parameters": {"mistake": 1}})).status_code
    principal = await home.rooms.keys.principal(f"ApiKey {home.key}")
    await home.rooms.models.create("draft", "1.0.0", principal, now())
    draft = await client.post("/v2/repository/models/draft/load")
    assert (400, True) == (draft.status_code, "load failed for model 'draft'" in draft.json()["error"])


async def test_a_config_alone_needs_a_folder_that_has_one(home, client):
    config = {"parameters": {"config": "{}"}}
    assert 404 == (await client.post("/v2/repository/models/nope/load", json=config)).status_code
    [model] = await home.rooms.directory.all(await home.rooms.keys.principal(f"ApiKey {home.key}"))
    key = VersionKey(model.identifier, "1.0.0")

    async def load(recipe):
        await home.rooms.versions.change(key, lambda version: replace(version, recipe=recipe), now())
        answer = await client.post(LOAD, json=config)
        assert 400 == answer.status_code
        return answer.json()["error"]

    folder = home.rooms.settings.data / "models" / "plain"
    folder.mkdir(parents=True)
    assert "layout of a Triton repository" in await load(FolderRecipe("models/plain", "", "model.py:Model"))
    assert "is a container image" in await load(ImageRecipe("sha256:0", "image"))
    assert ("1.0.0",) == tuple((await home.rooms.models.get(model.identifier)).versions)


async def test_a_version_that_was_deleted_is_not_made_again(home):
    principal = await home.rooms.keys.principal(f"ApiKey {home.key}")
    loading = Loading(home.rooms)
    await home.rooms.models.create("brought", "1.0.0", principal, now())
    keys = []
    for _ in range(3):
        keys.append(await loading._draft(principal, "brought", 2))  # noqa: SLF001 - the rest of it takes an environment
        await home.rooms.deployment.change_status(keys[-1], VersionStatus.DELETED)

    assert ["2.0.0", "2.0.1", "2.0.2"] == [key.version for key in keys]
    assert 1 == len({key.model for key in keys})


async def test_only_the_owner_loads_and_unloads(home):
    model = await _model(home)
    await home.rooms.models.change(
        model.identifier, lambda one: replace(one, visibility=Visibility(Scope.ACCOUNT)), now()
    )
    for role, status in ((Role.DATA_SCIENTIST, 403), (Role.DEVELOPER, 403), (Role.AUDITOR, 403)):
        other = await home.key_of(f"{role}@example.com", role)
        async with in_memory(home) as client:
            client.headers["authorization"] = f"ApiKey {other}"
            assert 200 == (await client.get("/v2/models/echo")).status_code
            for path in (LOAD, UNLOAD):
                assert status == (await client.post(path)).status_code


STATES = [
    (VersionStatus.ACTIVE, EngineStatus(), "READY", ""),
    (VersionStatus.ACTIVE, EngineStatus(spinning_up=1), "READY", ""),
    (VersionStatus.ACTIVE, EngineStatus(failed=1, last_error="no such file"), "UNAVAILABLE", "no such file"),
    (VersionStatus.INACTIVE, EngineStatus(), "UNAVAILABLE", "unloaded"),
    (VersionStatus.INACTIVE, EngineStatus(spinning_down=1), "UNLOADING", ""),
    (VersionStatus.REJECTED, EngineStatus(), "UNAVAILABLE", "it is rejected"),
]


@pytest.mark.parametrize(("status", "engines", "state", "reason"), STATES)
def test_states(status, engines, state, reason):
    version = Version(VersionKey("m", "1.0.0"), status, 0, 0, "a@b.c")
    assert (state, reason) == state_of(version, engines)


def test_states_of_drafts():
    draft = Version(VersionKey("m", "1.0.0"), VersionStatus.PARTIAL, 0, 0, "a@b.c")
    loading = replace(draft, load=Step(StepState.RUNNING))
    failed = replace(draft, load=Step(StepState.FAILED, error="it broke"))
    assert [("LOADING", ""), ("UNAVAILABLE", "it broke")] == [
        state_of(one, EngineStatus()) for one in (loading, failed)
    ]


@pytest.mark.parametrize("step", ["image_step", "load", "run"])
async def test_a_version_that_failed_its_steps_says_so_again(home, client, step):
    principal = await home.rooms.keys.principal(f"ApiKey {home.key}")
    model = await home.rooms.models.create("broken", "1.0.0", principal, now())
    key = VersionKey(model.identifier, "1.0.0")
    done = {"image_step": DONE, "load": DONE, "run": DONE} | {step: Step(StepState.FAILED, error="it broke, here")}
    await home.rooms.versions.change(key, lambda one: replace(one, **done), now())

    assert "it broke, here" == (await client.post(INDEX)).json()[0]["reason"]
    answer = await client.post("/v2/repository/models/broken/load")
    expected = "load failed for model 'broken': version 1.0.0 is at UNAVAILABLE state: it broke, here"
    assert (400, expected) == (answer.status_code, answer.json()["error"])

    await home.rooms.versions.change(key, lambda one: replace(one, **{step: Step(StepState.RUNNING)}), now())
    assert "LOADING" == (await client.post(INDEX)).json()[0]["state"]


async def _model(home):
    principal = await home.rooms.keys.principal(f"ApiKey {home.key}")
    return await home.rooms.directory.model(principal, "echo")


async def test_loads_of_one_new_name_at_once_make_versions_of_one_model(home):
    principal = await home.rooms.keys.principal(f"ApiKey {home.key}")
    doors = [Loading(home.rooms), Loading(home.rooms)]  # REST and gRPC have one each
    drafts = [doors[place % 2]._draft(principal, "new", 1) for place in range(4)]  # noqa: SLF001 - as above
    keys = await asyncio.gather(*drafts)

    assert {"1.0.0", "1.0.1", "1.0.2", "1.0.3"} == {key.version for key in keys}
    assert 1 == len({key.model for key in keys})


async def test_loads_of_one_new_name_by_two_servers_make_versions_of_one_model(home, postgresql):
    principal = await home.rooms.keys.principal(f"ApiKey {home.key}")
    with postgresql.lent() as one, ExitStack() as until:
        url = one()
        databases = [until.enter_context(closing(open_database(StorageSettings(url=url), None))) for _ in range(2)]
        doors = [Loading(_of(home, database)) for database in databases]
        names = [f"new-{number}" for number in range(5)]
        drafts = [door._draft(principal, name, 1) for name in names for door in doors]  # noqa: SLF001 - as above
        keys = await asyncio.gather(*drafts)

    assert [{"1.0.0", "1.0.1"}] * 5 == [{one.version for one in keys[at : at + 2]} for at in range(0, 10, 2)]
    assert 5 == len({key.model for key in keys})


def _of(home, database):
    """The rooms of another server, as far as they know of models."""
    models, versions = Models(database), Versions(database)
    return replace(home.rooms, models=models, versions=versions, directory=Directory(models, versions))
