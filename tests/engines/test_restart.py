"""A server that is killed in the middle of everything: what it acknowledged is there, and ends exactly once."""

import random
import time
from pathlib import Path

import pytest
from live import Server, checked, packed, wait_for

ECHO = Path(__file__).parent.parent / "contracts" / "models" / "echo"


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path / "data").start()
    yield server
    server.stop()


def body(model, inputs, text="hello"):
    sources = {str(number): {"input.txt": f"{text} {number}"} for number in range(inputs)}
    return {"model": {"identifier": model, "version": "1.0.0"}, "input": {"type": "text", "sources": sources}}


def finished(client, job):
    answer = checked(client.get(f"/results/{job}")).json()
    return answer if answer["finished"] else None


def test_acknowledged_jobs_survive_kill_9_and_each_input_ends_once(server):
    model = server.deploy(ECHO)
    dice, jobs = random.Random(7), {}
    for _ in range(4):
        with server.client() as client:
            for _ in range(10):
                inputs = dice.choice([1, 5, 300])
                receipt = checked(client.post("/jobs", json=body(model, inputs))).json()
                jobs[receipt["jobIdentifier"]] = inputs
            time.sleep(dice.random() / 3)
        server.kill()
        server.start()
    with server.client() as client:
        for job, inputs in jobs.items():
            wait_for(lambda job=job: finished(client, job))
            answer = finished(client, job)
            assert (inputs, 0, inputs) == (answer["completed"], answer["failed"], len(answer["results"]))
            assert {str(number) for number in range(inputs)} == set(answer["results"])


def test_a_kill_in_the_middle_of_a_deployment_only_delays_it(server):

    with server.client() as client:
        model = checked(client.post("/models", json={"name": "echo", "version": "1.0.0"})).json()["identifier"]
        path = f"/models/{model}/versions/1.0.0"
        upload = {"file": ("model.tar.gz", packed(ECHO), "application/gzip")}
        checked(client.post(f"{path}/container-image", files=upload))
    server.kill()
    server.start()
    with server.client() as client:
        wait_for(lambda: checked(client.get(f"{path}/container-image")).json()["percentage"] >= 100)
        checked(client.post(f"{path}/load-process"))
        checked(client.post(f"{path}/testInput", params={"name": "input.txt"}, files={"file": ("t", b"sleep 1")}))
        checked(client.post(f"{path}/run-process"))
    server.kill()
    server.start()
    with server.client() as client:
        wait_for(lambda: checked(client.get(f"{path}/run-process")).json()["percentage"] >= 100)
        assert "active" == checked(client.patch(path, json={"status": "active"})).json()["status"]


def test_a_stopped_server_leaves_no_process_behind(server):
    model = server.deploy(ECHO, minimum=1)
    with server.client() as client:
        wait_for(lambda: checked(client.get("/resources/processing/engines")).json()[0]["ready"] >= 1)
    server.kill()  # even now: the replicas notice that their server is gone
    marker = str(server.data)

    def left():
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and marker in (entry / "cmdline").read_bytes().decode(errors="replace"):
                    found.append(entry.name)
            except OSError:
                continue
        return found

    wait_for(lambda: not left(), 15)
    server.start()
    with server.client() as client:
        assert "echo" == checked(client.get(f"/models/{model}")).json()["name"]


def test_two_servers_do_not_share_a_data_folder(server):
    other = Server(server.data)
    other.key = server.key
    (server.data / "admin.key").write_text(server.key)
    with pytest.raises(RuntimeError, match="another server"):
        other.start()
