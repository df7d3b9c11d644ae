"""The demo's flow against a server that runs already, and what it says when packages cannot be fetched."""

import gzip
import json

import pytest
from rooms.cli.contract_server import KEY

from headrace.cli import demo_samples
from headrace.cli.demo_samples import MODELS, digits


@pytest.fixture
def data(url, tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "client.toml").write_text(f'url = "{url}"\nkey = "{KEY}"\n')
    return tmp_path / "demo"


def test_it_deploys_two_models_runs_two_jobs_and_says_how_to_go_on(plain, data, url, server):
    ended = plain("demo", "--data", str(data))

    assert 0 == ended.code, ended.err
    assert ["Handwritten digits", "Sentiment of texts"] == [model["name"] for model in server.models.values()]
    assert 34 == ended.err.count("✓") - 2  # two lines are of the jobs
    assert [898, len(demo_samples.TEXTS)] == [len(job["inputs"]) for job in server.jobs.values()]
    ones = sum(sample.label == "1" for sample in digits())
    assert f"{ones} of 898 digits are read rightly" in ended.err  # this server says 1 to everything
    assert all(text in ended.out for text in (url, KEY, f"export HEADRACE_DATA={data}", "jobs submit model00002"))


def test_a_second_run_adds_versions(plain, data, server):
    plain("demo", "--data", str(data), "-q")
    second = plain("demo", "--data", str(data), "-q", "--json")

    assert 0 == second.code
    assert ["1.0.1", "1.0.1"] == [model["version"] for model in second.json()["models"]]
    assert 2 == len(server.models)


def test_without_a_network_it_says_what_is_missing(plain, data, server):
    server.image_fault = "uv could not make the environment: error: Failed to fetch: dns error"
    ended = plain("demo", "--data", str(data))

    assert 1 == ended.code
    assert "the model's packages could not be fetched" in ended.err
    assert "scikit-learn==" in ended.err
    assert "HTTPS_PROXY" in ended.err


def test_any_other_fault_is_told_as_it_is(plain, data, server):
    server.image_fault = "the disk is full"

    assert "error: the disk is full" in plain("demo", "--data", str(data)).err


def test_the_samples_are_the_898_pictures_with_an_odd_index():
    samples = digits()

    assert 898 == len(samples)
    assert [f"digit-{index:04}.png" for index in range(1, 1797, 2)] == [sample.name for sample in samples]
    assert all(sample.picture.startswith(b"\x89PNG\r\n") for sample in samples)
    assert set("0123456789") == {sample.label for sample in samples}


def test_the_samples_and_pictures_are_small():
    packed = MODELS / "digits_test.json.gz"

    assert packed.stat().st_size < 150_000
    assert 898 == len(json.loads(gzip.decompress(packed.read_bytes())))
    assert all((MODELS / name / "picture.png").stat().st_size < 20_000 for name in ("digits", "sentiment"))


def test_the_test_file_of_the_digits_model_is_the_first_sample():
    assert digits()[0].picture == (MODELS / "digits" / "test_input" / "image.png").read_bytes()
