"""Two servers that share one PostgreSQL and one bucket: what one knows the other knows, and may finish."""

import hashlib
import io
import random
import shutil
import tarfile
import time

import httpx2
import pytest
from engines.keeper import need_sandbox
from engines.test_box_server import deployed
from engines.test_box_server import job as boxed
from live import Server, checked, wait_for
from modzy import ApiClient
from objects import BUCKET, s3
from postgres import INSTALL, Postgres, wheel
from round_robin import round_robin

SLOW = """\
import hashlib
import time

class Model:
    def predict(self, inputs):
        time.sleep(0.05)
        text = inputs["input.txt"]
        return {"results.json": b'{"n": "%s"}' % (text if len(text) < 9 else hashlib.sha256(text).hexdigest().encode())}
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
    """Two servers of one installation, started; each has a data folder of its own, and they share no other."""
    folder = tmp_path_factory.mktemp("pair")
    database.sql("create database pair")
    settings = (
        f"storage.url={database.url('pair')}",
        f"storage.blobs=s3://{BUCKET}/pair",
        "runners.engine=off",
        "fleet.first_delay=0.2",
    )
    with s3(folder / "s3") as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
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
    large = random.Random(1).randbytes(500_000)
    with one.client() as first, two.client() as second:
        upload = opened(first, model)
        add(first, upload, large[:200_000])
        add(first, upload, large[200_000:200_100])
        job = submit(first, model, 400)
        begun = time.monotonic()
        wait_for(lambda: checked(second.get(f"/jobs/{job}")).json()["completed"] > 60, 120)
        wait_for(lambda: running(first) > 0 and running(second) > 0, 120)
        one.kill()
        add(second, upload, large[200_100:])
        checked(second.post(f"/jobs/{upload}/close"))
        wait_for(lambda: results(second, job), 240)
        answer = results(second, job)
        wait_for(lambda: results(second, upload), 240)
        digest = results(second, upload)["results"]["file"]["results.json"]["n"]
    assert digest == hashlib.sha256(large).hexdigest()
    assert (400, 0, 400) == (answer["completed"], answer["failed"], len(answer["results"]))
    assert {f"i{n}": {"n": str(n)} for n in range(400)} == {
        name: found["results.json"] for name, found in answer["results"].items()
    }
    assert len(engines_of(answer)) > 1  # of both servers
    assert time.monotonic() - begun < 240


def opened(client, model):
    """A job whose file comes in pieces."""
    body = {"model": {"identifier": model, "version": "1.0.0"}}
    return checked(client.post("/jobs", json=body)).json()["jobIdentifier"]


def add(client, job, piece):
    checked(client.post(f"/jobs/{job}/file/input.txt", files={"input": ("piece", piece)}))


def test_the_modzy_sdk_sends_the_pieces_of_a_file_to_both_in_turn(pair, folder, tmp_path):
    model = pair[0].deploy(folder, "pieces")
    file = tmp_path / "large.bin"
    file.write_bytes(random.Random(2).randbytes(4_500_000))
    with round_robin(*pair) as (url, got):
        client = ApiClient(base_url=f"{url}/api", api_key=pair[0].key)
        job = client.jobs.submit_file(model, "1.0.0", {"large": {"input.txt": str(file)}})
        result = client.results.block_until_complete(job, timeout=120)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == result.get_source_outputs("large")["results.json"]["n"]
    assert all(got[server.url] > 2 for server in pair)


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
            assert httpx2.get(f"{two.url}/api/models", headers=headers, verify=False).status_code == 200, number
            checked(first.patch(f"/accounting/access-keys/{key['prefix']}", json={"status": "inactive"}))
            assert httpx2.get(f"{two.url}/api/models", headers=headers, verify=False).status_code == 401, number


def test_what_one_brings_in_the_other_runs_and_goes_on_with_when_it_is_killed(pair, folder, zoo):
    """An image that was published, and a model folder that is on its way in."""
    need_sandbox()
    one, two = pair
    image, version, _ = deployed(one, zoo.grpc(), "boxed")
    assert "sandbox" == version["isolation"]
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
        assert {"fine": True} == boxed(client, image, input="good")["results"]["input"]["results.json"]


def test_a_server_that_could_not_read_what_the_others_write_does_not_start(servers, tmp_path):
    one, _ = servers
    settings = [setting for setting in one.settings if setting.startswith("storage.url=")]
    stranger = Server(tmp_path / "stranger", *one.settings)
    with pytest.raises(RuntimeError, match="other secrets"):
        stranger.start()
    apart = joined(one, tmp_path / "apart", settings)
    with pytest.raises(RuntimeError, match="does not see the bodies"):
        apart.start()
