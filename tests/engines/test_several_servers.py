"""Two servers that share one PostgreSQL and one folder of bodies: what one knows the other knows, and may finish."""

import io
import shutil
import tarfile
import time

import httpx2
import pytest
from live import Server, checked, wait_for
from postgres import INSTALL, Postgres, wheel

SLOW = """\
import time

class Model:
    def predict(self, inputs):
        time.sleep(0.05)
        return {"results.json": b'{"n": "%s"}' % inputs["input.txt"]}
"""
CLAIMS = """\
name: slow
entry: model.py:Model
inputs: {input.txt: {acceptedMediaTypes: text/plain}}
outputs: {results.json: {mediaType: application/json}}
"""


@pytest.fixture(scope="module")
def database():
    if not (wheel() / "postgres").exists():
        pytest.skip(f"there is no PostgreSQL: {INSTALL}")
    server = Postgres(None, "max_connections=60").start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def servers(database, tmp_path_factory):
    """Two servers of one installation, started; each has a data folder of its own."""
    folder = tmp_path_factory.mktemp("pair")
    database.sql("create database pair")
    settings = (f"storage.url={database.url('pair')}", f"storage.blobs={folder / 'shared'}")
    one = Server(folder / "one", *settings).start()
    two = joined(one, folder / "two", settings)
    yield one, two.start()
    for server in (one, two):
        server.stop()


@pytest.fixture
def pair(servers):
    """The same; one that a test has killed is started again for the next one."""
    for server in servers:
        if server.process.poll() is not None:
            server.start()
    return servers


def joined(one, data, settings):
    """A further server: it gets a copy of the secrets, and nothing else."""
    two = Server(data, *settings)
    shutil.copytree(one.data / "secrets", two.data / "secrets")
    two.key = one.key
    (two.data / "admin.key").write_text(one.key)
    return two


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "model.py").write_text(SLOW)
    (folder / "model.yaml").write_text(CLAIMS)
    return folder


def submit(client, model, inputs):
    sources = {f"i{n}": {"input.txt": str(n)} for n in range(inputs)}
    body = {"model": {"identifier": model, "version": "1.0.0"}, "input": {"type": "text", "sources": sources}}
    return checked(client.post("/jobs", json=body)).json()["jobIdentifier"]


def results(client, job):
    answer = checked(client.get(f"/results/{job}")).json()
    return answer if answer["finished"] else None


def engines_of(answer):
    return {one["engine"] for one in answer["results"].values()}


def test_both_work_on_a_job_and_one_finishes_it_when_the_other_is_killed(pair, folder):
    one, two = pair
    model = one.deploy(folder, "slow", maximum=4, minimum=0)
    with one.client() as first, two.client() as second:
        job = submit(first, model, 400)
        begun = time.monotonic()
        wait_for(lambda: checked(second.get(f"/jobs/{job}")).json()["completed"] > 60, 120)
        wait_for(lambda: running(first) > 0 and running(second) > 0, 120)
        one.kill()
        wait_for(lambda: results(second, job), 240)
        answer = results(second, job)
    assert (400, 0, 400) == (answer["completed"], answer["failed"], len(answer["results"]))
    assert {f"i{n}": {"n": str(n)} for n in range(400)} == {
        name: found["results.json"] for name, found in answer["results"].items()
    }
    assert len(engines_of(answer)) > 1  # of both servers
    assert time.monotonic() - begun < 240


def running(client):
    """Engines on all servers that are ready, as this one tells it."""
    return sum(row["ready"] for row in checked(client.get("/resources/processing/engines")).json())


def test_a_key_that_was_switched_off_by_one_fails_at_the_other_on_the_next_request(pair):
    one, two = pair
    with one.client() as first:
        for number in range(5):
            made = first.post("/accounting/access-keys", json={"user": "admin@localhost", "roles": ["Developer"]})
            key = checked(made).json()
            headers = {"Authorization": f"ApiKey {key['prefix']}.{key['hash']}"}
            assert httpx2.get(f"{two.url}/api/models", headers=headers).status_code == 200, number
            checked(first.patch(f"/accounting/access-keys/{key['prefix']}", json={"status": "inactive"}))
            assert httpx2.get(f"{two.url}/api/models", headers=headers).status_code == 401, number


def test_a_deployment_is_gone_on_with_by_the_other_when_its_server_is_killed(pair, folder):
    one, two = pair
    ballast = folder / "ballast.bin"
    ballast.write_bytes(bytes(range(256)) * 200_000)  # so that bringing it in takes a while
    with one.client() as client:
        model = checked(client.post("/models", json={"name": "slow", "version": "1.0.0"})).json()["identifier"]
        path = f"/models/{model}/versions/1.0.0"
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
            for one_file in sorted(folder.iterdir()):
                archive.add(one_file, one_file.name)
        upload = {"file": ("model.tar.gz", packed.getvalue(), "application/gzip")}
        checked(client.post(f"{path}/container-image", files=upload))
    one.kill()
    with two.client() as client:
        wait_for(lambda: checked(client.get(f"{path}/container-image")).json()["percentage"] >= 100, 120)
        checked(client.post(f"{path}/load-process"))
        checked(client.post(f"{path}/testInput", params={"name": "input.txt"}, files={"file": ("test", b"7")}))
        checked(client.post(f"{path}/run-process"))
        wait_for(lambda: checked(client.get(f"{path}/run-process")).json()["percentage"] >= 100, 120)
        checked(client.patch(path, json={"status": "active"}))
        job = submit(client, model, 3)
        wait_for(lambda: results(client, job), 120)
        assert 3 == results(client, job)["completed"]


def test_a_server_that_could_not_read_what_the_others_write_does_not_start(pair, tmp_path):
    one, _ = pair
    settings = [setting for setting in one.settings if setting.startswith("storage.url=")]
    stranger = Server(tmp_path / "stranger", *one.settings)
    with pytest.raises(RuntimeError, match="other secrets"):
        stranger.start()
    apart = joined(one, tmp_path / "apart", settings)
    with pytest.raises(RuntimeError, match="does not see the bodies"):
        apart.start()
