"""Images through the whole server: uploaded, tested, published, asked by jobs and by the Open Inference Protocol."""

import json
import subprocess
import sys

import httpx2
import pytest
from live import Server, checked, wait_for

from headrace.runners.containers.engine import OURS
from headrace.runners.containers.plain import Address, ask

DONE = b'{"fine": true}'


@pytest.fixture
def server(tmp_path, engine_url):
    setting = f"runners.engine={engine_url}" if engine_url else "runners.engine=off"
    server = Server(tmp_path / "data", setting, "fleet.first_delay=0.2", "runners.processes=60").start()
    yield server
    server.stop()


def deployed(server, image, name="zoo", *, minimum=0, sample=b"good"):
    """An image's tar through the documented steps: its identifier, and the version as it is then."""
    with server.client() as client:
        model = checked(client.post("/models", json={"name": name, "version": "1.0.0"})).json()["identifier"]
        path = f"/models/{model}/versions/1.0.0"
        with image.path.open("rb") as tar:
            checked(client.post(f"{path}/container-image", files={"file": ("zoo.tar", tar, "application/x-tar")}))
        wait_for(lambda: checked(client.get(f"{path}/container-image")).json()["percentage"] >= 100)
        processing = {"minimumParallelCapacity": minimum, "maximumParallelCapacity": 2}
        requirement = {"cpuAmount": "1000m", "memoryAmount": "256Mi", "gpuUnits": 0}
        checked(client.patch(path, json={"processing": processing, "requirement": requirement}))
        loaded = client.post(f"{path}/load-process")
        if loaded.is_success:
            checked(client.post(f"{path}/testInput", params={"name": "input.txt"}, files={"file": ("test", sample)}))
            checked(client.post(f"{path}/run-process"))
            wait_for(lambda: checked(client.get(f"{path}/run-process")).json()["percentage"] >= 100)
            checked(client.patch(path, json={"status": "active"}))
        return model, checked(client.get(path)).json(), loaded


def job(client, model, **texts):
    sources = {name: {"input.txt": text} for name, text in texts.items()}
    body = {"model": {"identifier": model, "version": "1.0.0"}, "input": {"type": "text", "sources": sources}}
    found = checked(client.post("/jobs", json=body)).json()["jobIdentifier"]
    wait_for(lambda: checked(client.get(f"/results/{found}")).json()["finished"])
    return checked(client.get(f"/results/{found}")).json()


def containers(url, data):
    label = (data / "installation").read_text()
    _, found = ask(Address("/v1.41", url.removeprefix("unix://")), "GET", "/containers/json?all=1")
    return [one["Id"] for one in found if one["Labels"].get(OURS) == label]


@pytest.mark.parametrize("kind", ["podman", "rootfs"])
def test_from_the_upload_to_jobs_and_questions(server, zoo, kind):
    model, version, _ = deployed(server, zoo.grpc())

    assert {"podman": "container", "rootfs": "sandbox"}[kind] == version["isolation"]
    assert ("input.txt", "text/plain,text/csv") == tuple(
        version["inputs"][0][key] for key in ("name", "acceptedMediaTypes")
    )
    assert {"status": 30_000, "run": 5_000} == version["timeout"]
    assert ("COMPLETED", 100) == tuple(version["containerImage"][key] for key in ("loadStatus", "loadPercentage"))
    with server.client() as client:
        answer = job(client, model, one="good", two="fails", three="exits", four="good")
        [engines] = checked(client.get("/resources/processing/models")).json()
        logs = checked(client.get("/resources/processing/logs")).json()
        printed = next(one["name"] for one in logs if one["size"])
        log = checked(client.get(f"/resources/processing/logs/{printed}")).json()
        refused = client.get("/resources/processing/logs/model-batch-0000000000-1-0-0-00000000")
    asked = {"inputs": [{"name": "input.txt", "shape": [1], "datatype": "BYTES", "data": ["good"]}]}
    headers = {"Authorization": f"ApiKey {server.key}"}
    direct = checked(
        httpx2.post(f"{server.url}/v2/models/zoo/infer", json=asked, headers=headers, timeout=60, verify=False)
    ).json()

    assert {"one": {"fine": True}, "four": {"fine": True}} == {
        name: one["results.json"] for name, one in answer["results"].items()
    }
    assert "this one only" == answer["failures"]["two"]["error"]
    assert "it exited with code 3" in answer["failures"]["three"]["error"]
    assert engines["engines"][0]["name"] in {one["name"] for one in logs}
    assert (model, "hello from the model\n") == (log["identifier"], log["log"][:21])
    assert 404 == refused.status_code
    assert '{"fine": true}' == direct["outputs"][0]["data"][0]


def test_a_model_that_does_not_start_says_why(server, zoo):
    _, version, refused = deployed(server, zoo.http("dies"))

    assert 422 == refused.status_code or not refused.is_success
    assert "it exited with code 4; the last line of its log: no weights here" in refused.json()["message"]
    assert "partial" == version["status"]


def test_after_a_crash_containers_are_found_and_removed(server, zoo, engine_url):
    model, _, _ = deployed(server, zoo.http(), minimum=1)
    with server.client() as client:
        wait_for(lambda: checked(client.get("/resources/processing/engines")).json()[0]["ready"] >= 1)
    before = containers(engine_url, server.data)
    server.kill()
    left = containers(engine_url, server.data)
    server.start()
    with server.client() as client:
        wait_for(lambda: not set(before) & set(containers(engine_url, server.data)))
        wait_for(lambda: checked(client.get("/resources/processing/engines")).json()[0]["ready"] >= 1)
        assert {"fine": True} == job(client, model, one="good")["results"]["one"]["results.json"]
    server.stop()

    assert before
    assert left == before
    assert [] == containers(engine_url, server.data)


def test_the_command_line_shows_what_engines_print(server, zoo):
    deployed(server, zoo.http())
    run = [sys.executable, "-m", "headrace", "engines", "logs", "--json", "--url", server.url, "--key", server.key]
    [entry] = json.loads(subprocess.run(run, capture_output=True, check=True).stdout)
    run.insert(5, entry["name"])
    shown = json.loads(subprocess.run(run, capture_output=True, check=True).stdout)

    assert shown["log"].startswith("hello from the model")
