"""The demo's models in their own environments: the accuracy that is promised, and what they say to bad input."""

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from live import PACKAGES

from headrace.cli.child_server import free_port
from headrace.cli.demo import NO_NETWORK
from headrace.cli.demo_samples import MODELS, TEXTS, digits
from headrace.domain.errors import HeadraceError
from headrace.runners.environments import Environments
from headrace.settings import RunnerSettings

ASK = """
import base64, json, sys
sys.path.insert(0, sys.argv[1])
from model import Model
model = Model()
model.load()
batch = [{name: base64.b64decode(body) for name, body in inputs.items()} for inputs in json.load(sys.stdin)]
if hasattr(model, "predict_batch"):
    answers = model.predict_batch(batch)
else:
    answers = [model.predict(inputs) for inputs in batch]
json.dump([str(answer) if isinstance(answer, Exception) else answer["results.json"] for answer in answers], sys.stdout)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


async def ask(data: Path, name: str, batch: list[dict[str, bytes]]) -> list:
    try:
        python = await Environments(data, RunnerSettings()).prepare(MODELS / name, lambda _percentage: None)
    except HeadraceError as error:
        if NO_NETWORK.search(error.message):
            pytest.skip(f"the packages of {name} cannot be fetched here: {error.message[:200]}")
        raise
    encoded = [{key: base64.b64encode(body).decode() for key, body in inputs.items()} for inputs in batch]
    ended = await asyncio.to_thread(
        subprocess.run,
        [str(python), "-W", "error", "-c", ASK, str(MODELS / name)],
        input=json.dumps(encoded),
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == ended.returncode, ended.stderr
    return json.loads(ended.stdout)


def test_the_whole_demo(data):
    """First, because it makes the environments that the other tests then find."""
    command = [sys.executable, "-m", "headrace", "demo", "--data", str(data), "--port", str(free_port()), "--json"]
    variables = PACKAGES | os.environ
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=variables)
    if ended.returncode and NO_NETWORK.search(ended.stderr):
        pytest.skip(f"the packages of the demo's models cannot be fetched here: {ended.stderr[-500:]}")

    assert 0 == ended.returncode, ended.stderr
    told = json.loads(ended.stdout)
    assert told["accuracy"] > 0.98
    assert 0 == told["failed"]
    assert 2 == len(told["models"])
    with socket.socket() as probe:
        assert 0 != probe.connect_ex(("127.0.0.1", int(told["url"].rpartition(":")[2])))  # the server is gone
    assert 0 == (data / "server.log").stat().st_mode & 0o077


async def test_the_digits_that_it_was_not_trained_on_are_read_with_98_percent(data):
    samples = digits()
    answers = await ask(data, "digits", [{"image": sample.picture} for sample in samples])
    predictions = [answer["data"]["result"]["classPredictions"] for answer in answers]

    right = sum(one[0]["class"] == sample.label for one, sample in zip(predictions, samples, strict=True))
    assert right / len(samples) > 0.98
    assert all(10 == len(one) for one in predictions)
    assert all(abs(1 - sum(each["score"] for each in one)) < 0.01 for one in predictions)


async def test_what_is_no_picture_fails_alone(data):
    bad, good = await ask(data, "digits", [{"image": b"no picture"}, {"image": digits()[0].picture}])

    assert "the input image is not a PNG or JPEG picture" == bad
    assert "1" == good["data"]["result"]["classPredictions"][0]["class"]


async def test_the_sentiment_of_texts(data):
    texts = ["I love it!", "I hate it.", "It is a table."]
    answers = await ask(data, "sentiment", [{"input.txt": text.encode()} for text in (*texts, *TEXTS)])
    predictions = [answer["data"]["result"]["classPredictions"] for answer in answers]

    assert ["positive", "negative", "neutral"] == [one[0]["class"] for one in predictions[:3]]
    assert all(abs(1 - sum(each["score"] for each in one)) < 0.01 for one in predictions)
    assert all(one == sorted(one, key=lambda each: -each["score"]) for one in predictions)
