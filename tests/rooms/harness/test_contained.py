"""The program in an image that was built here, started without an image: the HTTP contract of model containers."""

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np
import pytest
from live import free_port

from headrace.runners import harness

HARNESS = Path(harness.__file__).parent / "harness.py"
MODEL = """
import sys
class Model:
    def load(self):
        print("loading")
        if {fails}:
            raise RuntimeError("no weights")
    def predict(self, inputs, explain=False):
        text = inputs["input.txt"].decode()
        if text == "no":
            raise ValueError("it says no")
        if text == "exit":
            sys.exit(3)
        if text == "odd":
            return {{"../evil.txt": b"x"}}
        return {{"results.json": {{"text": text, "explain": explain}}, "copy.bin": inputs["input.txt"]}}
"""

GOOD, BAD = MODEL.format(fails=False), MODEL.format(fails=True)


@contextmanager
def contained(folder, model=GOOD, **settings):
    (folder / "model").mkdir()
    (folder / "model/model.py").write_text(model)
    said = {"folder": str(folder / "model"), "entry": "model.py:Model", "required": ["input.txt"]} | settings
    (folder / "settings.json").write_text(json.dumps(said))
    port = free_port()
    variables = {"PSC_MODEL_PORT": str(port), "HEADRACE_MODEL_HOST": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-I", "-u", str(HARNESS), "--contained", str(folder / "settings.json")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=False) as client:
            client.process, client.status = process, _status(client, process, folder / "log")
            yield client
    finally:
        process.kill()
        process.wait()


def _status(client, process, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            return client.get("/status")
        except httpx2.TransportError:
            time.sleep(0.02)
    raise TimeoutError


@pytest.fixture
def model(tmp_path):
    with contained(tmp_path) as client:
        yield client


def run(client, folder, text=b"hi", **more):
    source, target = folder / "in", folder / "out"
    source.mkdir(exist_ok=True)
    if text is not None:
        (source / "input.txt").write_bytes(text)
    body = {"type": "file", "input": str(source), "output": str(target)} | more
    return client.post("/run", json={name: value for name, value in body.items() if value is not None})


def test_ready_run_and_shut_down(model, tmp_path):
    assert {"message": "ready", "statusCode": 200, "status": "OK"} == model.status.json()
    answer = run(model, tmp_path)
    assert (200, "success") == (answer.status_code, answer.json()["message"])
    assert {"text": "hi", "explain": False} == json.loads((tmp_path / "out/results.json").read_text())
    assert b"hi" == (tmp_path / "out/copy.bin").read_bytes()
    run(model, tmp_path, explain=True)
    assert json.loads((tmp_path / "out/results.json").read_text())["explain"]
    assert 202 == model.post("/shutdown").status_code
    assert 0 == model.process.wait(60)


@pytest.mark.parametrize(
    ("text", "more", "status", "says"),
    [
        (b"no", {}, 422, "it says no"),
        (b"exit", {}, 422, "sys.exit"),
        (b"odd", {}, 500, "no file"),
        (None, {}, 400, "input.txt is missing"),
        (b"x", {"input": "/nowhere"}, 400, "no input directory"),
        (b"x", {"output": __file__}, 400, "no directory"),
        (b"x", {"type": "stream"}, 400, "should be"),
        (b"x", {"output": None}, 400, "should be"),
    ],
)
def test_what_goes_wrong(model, tmp_path, text, more, status, says):
    answer = run(model, tmp_path, text, **more)
    assert (status, status) == (answer.status_code, answer.json()["statusCode"])
    assert says in answer.json()["message"]
    assert [] == list(tmp_path.glob("*evil*"))
    assert 200 == run(model, tmp_path).status_code, "it goes on"


def test_other_requests(model):
    assert 415 == model.post("/run", content="{}", headers={"Content-Type": "text/plain"}).status_code
    assert 400 == model.post("/run", content="{", headers={"Content-Type": "application/json"}).status_code
    assert 404 == model.get("/").status_code
    assert 404 == model.post("/nothing").status_code


def test_a_model_that_cannot_be_loaded(tmp_path):
    with contained(tmp_path, BAD) as client:
        assert (500, "RuntimeError: no weights") == (client.status.status_code, client.status.json()["message"])
        assert "no weights" in run(client, tmp_path).json()["message"]


def test_a_signal_ends_it(model):
    model.process.send_signal(signal.SIGTERM)
    assert 0 == model.process.wait(60)


def test_tensors_as_files(tmp_path):
    spec = {"datatype": "FP32", "shape": [2]}
    model = "class Model:\n    def predict(self, inputs):\n        return {'y': inputs['x'] * 2}\n"
    tensors = json.dumps({"inputs": {"x": spec}, "outputs": {"y": spec}})
    packages = str(Path(np.__file__).parent.parent)
    with contained(tmp_path, model, tensors=tensors, required=[], packages=packages) as client:
        assert 200 == client.status.status_code, client.status.text
        (tmp_path / "in").mkdir()
        (tmp_path / "in/x").write_text("[1, 2.5]")
        assert "success" == run(client, tmp_path, None).json()["message"]
        assert [2, 5] == json.loads((tmp_path / "out/y").read_text())
