"""Models, versions, tags, pictures, hardware through the doors (contracts/modzy.md, A.3, A.4, B)."""

import struct
import zlib
from dataclasses import replace

import pytest

from headrace.domain.account import Role
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey
from headrace.domain.version import Step, StepState


def png(width, height):
    """A grey picture of this size."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
async def draft(client):
    return (await client.post("/models", json={"name": "My Echo Model", "version": "0.1.0"})).json()["identifier"]


async def test_a_new_model(client):
    answer = await client.post("/models", json={"name": "My Echo Model", "version": "0.1.0"})
    made = answer.json()
    assert (201, made["modelId"]) == (answer.status_code, made["identifier"])
    assert f"{made['modelId']}-acme-my-echo-model" == made["permalink"]
    assert ("0.1.0", "", ["0.1.0"], False) == (
        made["latestVersion"],
        made["latestActiveVersion"],
        made["versions"],
        made["isActive"],
    )
    assert {"scope": "PRIVATE", "teams": []} == made["visibility"]
    assert made["lastActiveDateTime"] is None
    shown = (await client.get(f"/models/{made['modelId']}")).json()
    assert made == shown | {"identifier": made["modelId"]}


async def test_a_name_may_be_asked_for_that_nobody_has(client):
    """Otherwise names need not be unique."""
    body = {"name": "My Echo Model", "version": "0.1.0"}
    made = (await client.post("/models", json=body)).json()["identifier"]
    refused = await client.post("/models", json=body | {"unique": True})
    expected = f"there is a model called 'My Echo Model' already: {made}"
    assert (409, expected) == (refused.status_code, refused.json()["message"])
    assert 201 == (await client.post("/models", json=body)).status_code
    assert 201 == (await client.post("/models", json=body | {"name": "Another", "unique": True})).status_code


async def test_a_new_version(client, draft):
    made = await client.post(f"/models/{draft}/versions", json={"version": "0.2.0", "longDescription": "better"})
    assert (201, "better", "partial") == (made.status_code, made.json()["longDescription"], made.json()["status"])
    assert ["0.1.0", "0.2.0"] == made.json()["model"]["versions"]
    again = await client.post(f"/models/{draft}/versions", json={"version": "0.2.0"})
    assert 409 == again.status_code
    assert [{"version": "0.1.0"}, {"version": "0.2.0"}] == (await client.get(f"/models/{draft}/versions")).json()
    assert 400 == (await client.post(f"/models/{draft}/versions", json={"version": "one"})).status_code


async def test_the_version_object(client, draft):
    version = (await client.get(f"/models/{draft}/versions/0.1.0")).json()
    assert {"status": 60000, "run": 60000} == version["timeout"]
    assert {"requirementId": 1, "gpuUnits": 0, "cpuAmount": "1000m", "memoryAmount": "1G"}.items() <= version[
        "requirement"
    ].items()
    assert ("IN_PROGRESS", "IN_PROGRESS", 0, 0, 0, draft) == tuple(
        version["containerImage"][name]
        for name in (
            "uploadStatus", "loadStatus", "uploadPercentage", "loadPercentage", "containerImageSize", "repositoryName",
        )
    )  # fmt: skip
    assert {"minimumParallelCapacity": 0, "maximumParallelCapacity": 1} == version["processing"]
    assert (None, None) == (version["sampleInput"], version["sampleOutput"])
    assert draft == version["model"]["modelId"]
    assert {"step": 0, "stepName": "", "percentage": 0, "result": None} == version["runStatus"]


async def test_what_the_python_client_patches(client, draft):
    path = f"/models/{draft}/versions/0.1.0"
    body = {
        "requirement": {"requirementId": -6},
        "timeout": {"run": 5000, "status": 6000},
        "inputs": [{"name": "input", "acceptedMediaTypes": "text/plain", "maximumSize": 5, "description": "d"}],
        "outputs": [{"name": "results.json", "mediaType": "application/json", "maximumSize": 5, "description": "d"}],
        "statistics": [
            {
                "label": "F1",
                "category": "c",
                "type": "t",
                "description": "d",
                "highlight": True,
                "order": 1,
                "value": 0.9,
            }
        ],
        "processing": {"minimumParallelCapacity": 0, "maximumParallelCapacity": 1},
        "longDescription": "long",
    }
    changed = (await client.patch(path, json=body)).json()
    assert body["inputs"] == changed["inputs"]
    assert [{**body["outputs"][0], "mediaTypes": "application/json"}] == changed["outputs"]
    assert body["statistics"] == changed["statistics"]
    assert (-6, 1) == (changed["requirement"]["requirementId"], changed["requirement"]["gpuUnits"])

    after = (await client.patch(path, json={"inputs": None, "statistics": None, "technicalDetails": "new"})).json()
    assert (body["inputs"], "new", "long") == (after["inputs"], after["technicalDetails"], after["longDescription"])


async def test_engines_on_both_routes_and_beyond_the_limit(home, client, draft):
    path, limit = f"/models/{draft}/versions/0.1.0", home.rooms.fleet.limit
    wanted = {"minimumParallelCapacity": 1, "maximumParallelCapacity": limit}
    assert wanted == (await client.patch(path, json={"processing": wanted})).json()["processing"]
    less = {"minimumParallelCapacity": 0, "maximumParallelCapacity": 1}
    assert less == (await client.patch(f"{path}/processing", json={**less, "ModelID": draft})).json()["processing"]
    beyond = {"minimumParallelCapacity": limit + 1, "maximumParallelCapacity": limit + 1}
    assert 400 == (await client.patch(path, json={"processing": beyond})).status_code
    assert 400 == (await client.patch(f"{path}/processing", json=beyond)).status_code


async def test_samples_are_stored_as_they_come(client, draft):
    path = f"/models/{draft}/versions/0.1.0"
    assert 404 == (await client.get(f"{path}/sample-input")).status_code
    sample = {"input": {"type": "aws-s3", "sources": {"0001": {"input": {"bucket": "<bucket>"}}}}}
    assert 200 == (await client.put(f"{path}/sample-input", json=sample)).status_code
    assert sample == (await client.get(f"{path}/sample-input")).json()
    assert str is type((await client.get(path)).json()["sampleInput"])
    assert 400 == (await client.put(f"{path}/sample-output", json=[1])).status_code


async def test_tags_by_name_or_object(client, draft):
    tags = ["Label or Classify", {"name": "Image"}, {"identifier": "count"}, None, "Very Own"]
    changed = (await client.patch(f"/models/{draft}", json={"description": "d", "tags": tags})).json()
    assert ["label_or_classify", "image", "count", "very_own"] == [tag["identifier"] for tag in changed["tags"]]
    assert {"name": "Very Own", "dataType": "Tags", "isCategorical": False, "images": []}.items() <= changed["tags"][
        3
    ].items()
    found = (await client.get("/models/tags/very_own,food")).json()
    assert (["models", "tags"], [draft]) == (sorted(found), [one["identifier"] for one in found["models"]])
    assert {"tags": [], "models": []} == (await client.get("/models/tags/nosuchtag")).json()
    assert "computer_vision" in {tag["identifier"] for tag in (await client.get("/models/tags")).json()}
    counts = {tag["identifier"]: tag["count"] for tag in (await client.get("/models/tags/count")).json()}
    assert (1, 0) == (counts["image"], counts["food"])


async def test_lists(home, client, draft):
    echo = await home.publish(client, "echo")
    other = await home.publish(client, "echo two")
    listed = (await client.get("/models", params={"name": "echo", "page": 1, "per-page": 1})).json()
    assert [{"modelId": echo, "latestVersion": "1.0.0", "versions": ["1.0.0"]}] == listed
    active = (await client.get("/models", params={"isActive": "True", "sort-by": "name", "direction": "DESC"})).json()
    assert [other, echo] == [one["modelId"] for one in active]
    assert {echo, other} == {one["identifier"] for one in (await client.get("/models/latest")).json()}
    related = (await client.get(f"/models/{echo}/related-models")).json()
    assert {other, draft} == {one["identifier"] for one in related}
    every = (
        await client.get("/models/all/versions/all", params={"sort-by": "processing.minimumParallelCapacity"})
    ).json()
    assert 3 == len(every)
    assert {"minimumProcessingEnginesSum": 0} == (await client.get("/models/processing-engines")).json()


async def test_hardware_as_the_python_constructor_reads_it(client):
    table = (await client.get("/models/requirements/account")).json()
    assert {1, -6, -99} <= {one["requirementId"] for one in table}
    for one in table:
        assert "ACTIVE" == one["status"]
        assert 0 < float(one["cpuAmount"].split("m")[0])
        assert 0 < float(one["memoryAmount"].split("G")[0])


async def test_a_picture(client, draft):
    picture = png(1024, 576)
    put = await client.post(
        f"/models/{draft}/image", params={"description": "model card image"}, files={"file": ("a.png", picture)}
    )
    assert 201 == put.status_code
    images = put.json()["images"]
    assert {"thumbnail", "card", "background"} == {one["relationType"] for one in images}
    assert {"model card image"} == {one["caption"] for one in images}
    shown = await client.get(images[0]["url"].removeprefix("/api"))
    assert (picture, "image/png") == (shown.content, shown.headers["content-type"])
    assert 404 == (await client.get(f"/models/{draft}/image/logo")).status_code
    assert 400 == (await client.post(f"/models/{draft}/image", files={"file": b"GIF89a"})).status_code
    assert 413 == (await client.post(f"/models/{draft}/image", files={"file": b"x" * (6 << 20)})).status_code


async def test_a_test_file_and_its_removal(client, draft):
    path = f"/models/{draft}/versions/0.1.0/testInput"
    put = await client.post(path, params={"name": "input"}, files={"file": ("digits.png", b"12345")})
    assert (200, b"") == (put.status_code, put.content)
    assert [{"name": "input", "filename": "digits.png", "size": 5}] == (await client.get(path)).json()
    assert 200 == (await client.delete(path, params={"name": "input"})).status_code
    assert [] == (await client.get(path)).json()
    unnamed = await client.post(path, files={"file": b"x"})
    assert (400, "the query lacks `name`") == (unnamed.status_code, unnamed.json()["message"])


async def test_steps_before_their_time(client, draft):
    path = f"/models/{draft}/versions/0.1.0"
    load = await client.post(f"{path}/load-process")
    assert 400 == load.status_code
    assert "container-image" in load.json()["message"]
    assert 400 == (await client.post(f"{path}/run-process")).status_code
    active = await client.patch(path, json={"status": "active"})
    assert 400 == active.status_code
    assert {"step": 0, "stepName": "", "percentage": 0} == (await client.get(f"{path}/container-image")).json()
    registry = await client.post(f"{path}/container-image", json={"registry": {"url": "Modzy/echo:1.0"}})
    assert 400 == registry.status_code
    assert "does not name an image" in registry.json()["message"]


async def test_a_failed_step_ends_the_polling(home, client, draft):
    key, failed = VersionKey(draft, "0.1.0"), Step(StepState.FAILED, 1, "x", 50, "it broke")
    await home.rooms.versions.change(key, lambda old: replace(old, image_step=failed, run=failed), now())
    image = await client.get(f"/models/{draft}/versions/0.1.0/container-image")
    assert 400 == image.status_code
    assert "it broke" in image.json()["message"]
    run = (await client.get(f"/models/{draft}/versions/0.1.0/run-process")).json()
    assert (100, "FAILED", "it broke") == (run["percentage"], run["result"]["status"], run["result"]["error"])
    assert {
        "status", "engine", "error", "startTime", "endTime", "updateTime", "inputSize", "elapsedTime", "results.json",
    } == set(run["result"])  # fmt: skip


async def test_an_archive_becomes_the_deployments(home, client, draft):
    path = f"/models/{draft}/versions/0.1.0/container-image"
    taken = await client.post(path, files={"file": ("model.tar.gz", b"not really")})
    assert 202 == taken.status_code
    assert {"step", "stepName", "percentage"} == set(taken.json())
    assert [] == list(home.rooms.spool.iterdir())


async def test_whose_model_it_is(home, client, draft):
    async with home.client(await home.key_of("bob@example.com", Role.DATA_SCIENTIST)) as bob:
        assert 404 == (await bob.get(f"/models/{draft}")).status_code
        assert 404 == (await bob.patch(f"/models/{draft}", json={"name": "mine"})).status_code
        seen = await client.patch(f"/models/{draft}/visibility", json={"scope": "account"})
        assert {"scope": "ACCOUNT", "teams": []} == seen.json()["visibility"]
        assert 200 == (await bob.get(f"/models/{draft}")).status_code
        refused = await bob.patch(f"/models/{draft}", json={"name": "mine"})
        assert (403, "FORBIDDEN") == (refused.status_code, refused.json()["status"])
        assert 403 == (await bob.patch(f"/models/{draft}/versions/0.1.0", json={"status": "rejected"})).status_code
        own = (await bob.post("/models", json={"name": "own", "version": "1.0.0"})).json()["identifier"]
        assert (
            200
            == (
                await bob.patch(f"/models/{own}/versions/1.0.0", json={"processing": {"minimumParallelCapacity": 1}})
            ).status_code
        )
        assert 403 == (await bob.patch(f"/models/{own}/versions/1.0.0", json={"status": "rejected"})).status_code
        assert (
            "canceled"
            == (await bob.patch(f"/models/{own}/versions/1.0.0", json={"status": "canceled"})).json()["status"]
        )
    async with home.client(await home.key_of("dev@example.com", Role.DEVELOPER)) as dev:
        assert 403 == (await dev.post("/models", json={"name": "x", "version": "1.0.0"})).status_code


async def test_deleted_versions(client, draft):
    gone = await client.delete(f"/models/{draft}/versions/0.1.0")
    assert "deleted" == gone.json()["status"]
    assert [] == (await client.get(f"/models/{draft}/versions")).json()


@pytest.mark.parametrize(
    "path", ["/models/nosuchmode", "/models/nosuchmode/versions", "/models/nosuchmode/versions/1.0.0"]
)
async def test_an_unknown_model(client, path):
    answer = await client.get(path)
    assert (404, "Model nosuchmode not found") == (answer.status_code, answer.json()["message"])
