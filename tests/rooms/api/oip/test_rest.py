"""Every route beside the inferences: health, metadata, configuration, statistics, settings, documents."""

import logging
from dataclasses import replace

import pytest
from rooms.api.house import house
from rooms.api.oip.conftest import in_memory
from rooms.api.oip.served import activate, publish, request

from headrace.domain.account import Role
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey
from headrace.domain.tensor import TensorModel, TensorSpec
from headrace.domain.version import Processing
from headrace.settings import OipSettings


async def got(client, path, status=200):
    answer = await client.get(path)
    assert (status, "application/json") == (answer.status_code, answer.headers["content-type"])
    return answer.json()


# the server


async def test_health_needs_no_key(either):
    nobody = {"Authorization": ""}
    live = await either.get("/v2/health/live", headers=nobody)
    assert (200, {"live": True}) == (live.status_code, live.json())
    ready = await either.get("/v2/health/ready", headers=nobody)
    assert (200, {"ready": True}) == (ready.status_code, ready.json())


async def test_not_ready_while_it_starts_or_stops(home):
    object.__setattr__(home.rooms, "ready", lambda: False)
    async with in_memory(home) as client:
        expected = {"ready": False, "error": "Server is not ready"}
        assert expected == await got(client, "/v2/health/ready", 503)
        assert {"live": True} == await got(client, "/v2/health/live")


@pytest.mark.parametrize(("lenient", "status"), [(False, 503), (True, 200)])
async def test_not_ready_before_what_always_runs_has_started(tmp_path, lenient, status):
    async with house(tmp_path, oip=OipSettings(lenient=lenient)) as home, in_memory(home) as client:
        model = await publish(home)
        await _keep_running(home, VersionKey(model, "1.0.0"))
        assert status == (await client.get("/v2/health/ready")).status_code


async def _keep_running(home, key):
    await home.rooms.versions.change(key, lambda one: replace(one, processing=Processing(1, 1)), now())


async def test_the_server_says_what_it_is(client):
    found = await got(client, "/v2")
    assert {"name", "version", "extensions"} == set(found)
    assert "headrace" == found["name"]
    assert "binary_tensor_data" in found["extensions"]
    assert found == await got(client, "/v2/")


async def test_another_name(tmp_path):
    async with house(tmp_path, oip=OipSettings(server_name="triton")) as home, in_memory(home) as client:
        assert "triton" == (await got(client, "/v2"))["name"]


@pytest.mark.parametrize("path", ["/v2/nope", "/v2/models/echo/nope", "/v2/health", "/v2/models/a/b/c/d"])
async def test_unknown_paths(either, path):
    answer = await either.get(path)
    assert (404, {"error": "Not Found"}) == (answer.status_code, answer.json())


async def test_methods(client):
    wrong = await client.delete("/v2/models/echo")
    assert (405, "GET, HEAD", {"error": "Method Not Allowed"}) == (
        wrong.status_code,
        wrong.headers["allow"],
        wrong.json(),
    )
    assert 405 == (await client.options("/v2/models/echo")).status_code
    assert 200 == (await client.head("/v2/health/ready")).status_code


async def test_the_other_contract_keeps_its_errors(client):
    assert 404 == (await client.get("/api/nope")).json()["statusCode"]
    assert 404 == (await client.get("/v2x")).json()["statusCode"]


async def test_documents(client):
    document = await got(client, "/v2/docs/dataplane.json")
    assert "/v2/models/{model}/versions/{version}/infer" in document["paths"]
    infer = document["paths"]["/v2/models/{model}/infer"]["post"]
    assert {"400", "401", "404", "501", "503"} <= set(infer["responses"])
    assert "InferRequest" in str(infer["requestBody"])
    assert ["error"] == list(document["components"]["schemas"]["ErrorBody"]["properties"])
    identifiers = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(identifiers) == len(set(identifiers))
    assert "text/html; charset=utf-8" == (await client.get("/v2/models/echo/docs")).headers["content-type"]


# models


async def test_metadata(client):
    expected = {
        "name": "echo",
        "versions": ["1.0.0"],
        "platform": "echo",
        "inputs": [{"name": "IN", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "OUT", "datatype": "FP32", "shape": [-1, 4]}],
    }
    for path in ("/v2/models/echo", "/v2/models/echo/", "/v2/models/echo/versions/1", "/v2/models/echo?x=1"):
        assert expected == await got(client, path)


async def test_metadata_of_several_versions(home, client):
    model = (await home.rooms.directory.all(await home.rooms.keys.principal(f"ApiKey {home.key}")))[0].identifier
    for version in ("10.0.0", "2.0.0"):
        await home.rooms.versions.create(VersionKey(model, version), "a@b.c", now())
        await activate(home, VersionKey(model, version))

    assert ["1.0.0", "2.0.0", "10.0.0"] == (await got(client, "/v2/models/echo"))["versions"]
    assert ["2.0.0"] == (await got(client, "/v2/models/echo/versions/2"))["versions"]
    assert "2.0.0" == (await got(client, "/v2/models/echo/versions/2/stats"))["model_stats"][0]["version"]
    found = await got(client, "/v2/models/echo/stats")
    assert ["1.0.0", "2.0.0", "10.0.0"] == [one["version"] for one in found["model_stats"]]


async def test_a_model_of_files_has_bytes_tensors(home, client):
    home.talker.door.set()
    async with home.client() as modzy:
        await home.publish(modzy, "shouts", inputs=("input.txt", "more.txt"))
    found = await got(client, "/v2/models/shouts")
    assert "files" == found["platform"]
    assert [("input.txt", "BYTES", [-1]), ("more.txt", "BYTES", [-1])] == [
        (one["name"], one["datatype"], one["shape"]) for one in found["inputs"]
    ]
    assert [{"name": "results.json", "datatype": "BYTES", "shape": [-1]}] == found["outputs"]
    assert "TYPE_STRING" == (await got(client, "/v2/models/shouts/config"))["input"][0]["data_type"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v2/models/nope", "Request for unknown model: 'nope' is not found"),
        ("/v2/models/nope/ready", "Request for unknown model: 'nope' is not found"),
        ("/v2/models/nope/config", "Request for unknown model: 'nope' is not found"),
        ("/v2/models/nope/stats", "Request for unknown model: 'nope' is not found"),
        ("/v2/models/echo/versions/7", "Request for unknown model: 'echo' version 7 is not found"),
        ("/v2/models/echo/versions/7/ready", "Request for unknown model: 'echo' version 7 is not found"),
    ],
)
async def test_what_is_not_there(client, path, says):
    assert {"error": says} == await got(client, path, 404)


async def test_ready_models(client):
    for path in ("/v2/models/echo/ready", "/v2/models/echo/versions/1.0.0/ready", "/v2/models/echo/ready/"):
        assert {"name": "echo", "ready": True} == await got(client, path)


async def test_a_draft_is_known_and_not_ready(home, client):
    principal = await home.rooms.keys.principal(f"ApiKey {home.key}")
    await home.rooms.models.create("draft", "1.0.0", principal, now())

    expected = {"name": "draft", "ready": False, "error": "Model version not ready"}
    assert expected == await got(client, "/v2/models/draft/ready", 503)
    assert "has no available versions" in (await got(client, "/v2/models/draft", 503))["error"]
    assert {"models": ["echo"]} == await got(client, "/v2/models")
    answer = await client.post("/v2/models/draft/infer", json=request())
    assert (503, True) == (answer.status_code, "no available versions" in answer.json()["error"])


async def test_two_models_of_one_name(home, client):
    principal = await home.rooms.keys.principal(f"ApiKey {home.key}")
    await home.rooms.models.create("echo", "1.0.0", principal, now())
    assert 200 == (await client.get("/v2/models/echo")).status_code  # a draft stands in nobody's way
    second = await publish(home)
    said = (await got(client, "/v2/models/echo", 400))["error"]
    assert second in said
    assert second == (await got(client, f"/v2/models/{second}"))["name"]


async def test_config(client):
    found = await got(client, "/v2/models/echo/config")
    assert (8, "echo") == (found["max_batch_size"], found["name"])
    assert {"name": "IN", "data_type": "TYPE_FP32", "dims": [4]}.items() <= found["input"][0].items()
    assert {"kind": "KIND_CPU", "count": 1}.items() <= found["instance_group"][0].items()
    assert {"decoupled": False} == found["model_transaction_policy"]


async def test_parameters_of_a_model(home, client):
    tensors = TensorModel("p", (), (TensorSpec("O", "BOOL", (2,)),), 0, (("labels", "a,b"),))
    await publish(home, "with-parameters", tensors=tensors)
    assert {"labels": "a,b"} == (await got(client, "/v2/models/with-parameters"))["parameters"]
    config = await got(client, "/v2/models/with-parameters/config")
    assert {"labels": {"string_value": "a,b"}} == config["parameters"]
    assert [2] == config["output"][0]["dims"]


async def test_parameters_of_a_tensor(home, client):
    inputs = (TensorSpec("I", "BYTES", (1,), (("content_type", "str"),)), TensorSpec("J", "BYTES", (1,)))
    await publish(home, "codecs", tensors=TensorModel("p", inputs))
    found = (await got(client, "/v2/models/codecs"))["inputs"]
    assert [{"content_type": "str"}, None] == [one.get("parameters") for one in found]


async def test_statistics(client):
    for _ in range(3):
        await client.post("/v2/models/echo/infer", json=request())
    await client.post("/v2/models/echo/infer", json=request(parameters={"fault": "model"}))
    [found] = (await got(client, "/v2/models/stats"))["model_stats"]
    assert ("echo", "1.0.0", 3) == (found["name"], found["version"], found["inference_count"])
    assert (3, 1) == tuple(found["inference_stats"][name]["count"] for name in ("success", "fail"))
    assert found == (await got(client, "/v2/models/echo/stats"))["model_stats"][0]
    assert found["last_inference"] > 0
    keys = {"success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss"}
    assert keys == set(found["inference_stats"])


async def test_what_others_may_not_see(home):
    stranger = await home.key_of("bob@example.com", Role.DEVELOPER)
    async with in_memory(home) as client:
        client.headers["authorization"] = f"ApiKey {stranger}"
        assert {"models": []} == await got(client, "/v2/models")
        assert {"model_stats": []} == await got(client, "/v2/models/stats")
        assert 404 == (await client.get("/v2/models/echo")).status_code
        assert [] == (await client.post("/v2/repository/index")).json()
        assert 403 == (await client.post("/v2/logging", json={})).status_code
        client.headers["authorization"] = ""
        for path in ("/v2/models", "/v2/models/echo", "/v2/models/echo/config", "/v2/models/stats", "/v2/logging"):
            assert {"error"} == set(await got(client, path, 401))


# settings at run time


@pytest.fixture(autouse=True)
def _same_level_afterwards():
    logger = logging.getLogger("headrace")
    before = logger.level
    yield
    logger.setLevel(before)


async def test_log_settings(client):
    before = await got(client, "/v2/logging")
    assert {"log_file", "log_info", "log_warning", "log_error", "log_verbose_level", "log_format"} == set(before)
    changed = (await client.post("/v2/logging", json={"log_verbose_level": 1, "unknown": 3})).json()
    assert before | {"log_verbose_level": 1} == changed == await got(client, "/v2/logging")
    assert before == (await client.post("/v2/logging", json={"log_verbose_level": 0})).json()


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"log_file": "x"}, 501, "log file location can not be updated"),
        ({"log_info": "yes"}, 400, "wrong type"),
        ({"log_format": "zz"}, 400, "got: zz"),
        ({"log_verbose_level": -1}, 400, "a whole number from 0 on"),
        ([], 400, "should be an object"),
    ],
)
async def test_log_settings_that_cannot_be(client, body, status, says):
    answer = await client.post("/v2/logging", json=body)
    assert (status, True) == (answer.status_code, says in answer.json()["error"])


async def test_trace_settings(client):
    before = await got(client, "/v2/trace/setting")
    assert (["OFF"], "1000") == (before["trace_level"], before["trace_rate"])
    own = (await client.post("/v2/models/echo/trace/setting", json={"trace_rate": "10"})).json()
    assert "10" == own["trace_rate"]
    assert "1000" == (await got(client, "/v2/trace/setting"))["trace_rate"]
    back = (await client.post("/v2/models/echo/trace/setting", json={"trace_rate": None})).json()
    assert before == back
    level = (await client.post("/v2/trace/setting", json={"trace_level": ["TIMESTAMPS"]})).json()
    assert ["TIMESTAMPS"] == level["trace_level"]


async def test_what_a_model_has_not_of_its_own_follows_the_settings_for_all(home, client):
    of_all, of_one = "/v2/trace/setting", "/v2/models/echo/trace/setting"
    await client.post(of_one, json={"trace_rate": "10", "no such": 1})
    await client.post(of_all, json={"trace_level": ["TIMESTAMPS"], "trace_rate": "7"})
    told = await got(client, of_one)
    assert (["TIMESTAMPS"], "10") == (told["trace_level"], told["trace_rate"])
    model = (await home.rooms.directory.all(await home.rooms.keys.principal(f"ApiKey {home.key}")))[0].identifier
    asked = [home.rooms.tuned.sampling.wants(model, "") for _ in range(10)]
    assert [False] * 9 + [True] == asked

    assert "7" == (await client.post(of_one, json={"trace_rate": None})).json()["trace_rate"]
    await client.post(of_all, json={"trace_rate": "2"})
    assert "2" == (await got(client, of_one))["trace_rate"]
    assert [False, True] == [home.rooms.tuned.sampling.wants(model, "") for _ in range(2)]
    assert 400 == (await client.post(of_one, json={"trace_mode": "foo"})).status_code
    assert "triton" == (await got(client, of_one))["trace_mode"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"trace_rate": 10}, 400),
        ({"trace_rate": "x"}, 400),
        ({"trace_rate": "-5"}, 400),
        ({"trace_count": "-2"}, 400),
        ({"trace_mode": "foo"}, 400),
        ({"trace_level": ["ALL"]}, 400),
        ({"trace_file": "x"}, 501),
    ],
)
async def test_trace_settings_that_cannot_be(client, body, status):
    assert status == (await client.post("/v2/trace/setting", json=body)).status_code
    assert 404 == (await client.post("/v2/models/nope/trace/setting", json={})).status_code


async def test_the_key_as_pytriton_sends_it(home, client):
    for path in ("/v2/models", "/v2/models/echo/ready"):
        none = {"Authorization": "", "triton-access-token": home.key}
        assert 200 == (await client.get(path, headers=none)).status_code
        assert 401 == (await client.get(path, headers=none | {"triton-access-token": "a.b"})).status_code
        assert 401 == (await client.get(path, headers={"Authorization": ""})).status_code


@pytest.mark.parametrize("kind", ["system", "cuda"])
async def test_shared_memory(client, kind):
    path = f"/v2/{kind}sharedmemory"
    assert [] == await got(client, f"{path}/status")
    told = await got(client, f"{path}/region/zz/status", 404)
    assert f"Unable to find {kind} shared memory region: 'zz'" == told["error"]
    refused = await client.post(f"{path}/region/a/register", json={"key": "/x", "byte_size": 3})
    says = {"system": "oip.shared_memory", "cuda": "not supported"}[kind]
    assert (501, True) == (refused.status_code, says in refused.json()["error"])
    for tidy in (f"{path}/unregister", f"{path}/region/a/unregister"):
        assert (200, b"") == ((answer := await client.post(tidy)).status_code, answer.content)
