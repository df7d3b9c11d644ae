"""The unmodified modzy-sdk, from its package, against a live server: what its own documentation shows must work."""

import os
import time
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from modzy import ApiClient
from modzy.error import BadRequestError, NotFoundError

# the SDK asks for `requests` with a warning filter of its own time; what it warns about is not ours
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def client(live):
    return ApiClient(base_url=f"{live.url}/api", api_key=live.key)


def test_the_client_finds_the_api_below_a_plain_host(live):
    assert ApiClient(base_url=live.url, api_key=live.key).models.get_all()


def test_a_wrong_key_is_told(live):
    with pytest.raises(ValueError, match="valid key"):
        ApiClient(base_url=f"{live.url}/api", api_key="x" * 20 + "." + "y" * 32).models.get_all()


def test_models_are_found_by_id_and_by_name(client, live):
    assert "echo" == client.models.get(live.model).name
    assert live.model == client.models.get_by_name("echo").modelId
    assert live.model in {one.modelId for one in client.models.get_all()}
    assert [live.model] == [one.modelId for one in client.models.get_models(name="ech", is_active=True)]
    with pytest.raises(NotFoundError):
        client.models.get("nosuchmode")


def test_versions_and_samples(client, live):
    assert ["1.0.0"] == [one.version for one in client.models.get_versions(live.model)]
    version = client.models.get_version(live.model, "1.0.0")
    assert ("input.txt", "active") == (version.inputs[0].name, version.status)
    sample = client.models.get_version_input_sample(live.model, "1.0.0")
    assert live.model == sample["model"]["identifier"]
    assert "input.txt" in next(iter(sample["input"]["sources"].values()))
    assert client.models.get_version_output_sample(live.model, "1.0.0")


def test_submit_text_to_result_in_under_a_second(client, live):
    client.results.block_until_complete(client.jobs.submit_text(live.model, "1.0.0", {"input.txt": "warm"}))
    begun = time.perf_counter()
    job = client.jobs.submit_text(live.model, "1.0.0", {"input.txt": "hello"})
    assert "SUBMITTED" == job.status
    result = client.results.block_until_complete(job, timeout=20)
    took = time.perf_counter() - begun

    assert {"text": "hello", "length": 5, "explain": False} == result.get_first_outputs()["results.json"]
    assert took < 1


def test_many_sources_and_what_becomes_of_each(client, live):
    sources = {
        "good": {"input.txt": "x"},
        "final_report.pdf": {"input.txt": "y"},
        "": {"input.txt": "empty name"},
        "ä/ö 😀": {"input.txt": "any UTF-8"},
        "bad": {"input.txt": "fail on purpose"},
        "wrong": {"nosuchkey": "x"},
    }
    result = client.results.block_until_complete(client.jobs.submit_text(live.model, "1.0.0", sources), timeout=20)
    assert (6, 4, 2) == (result.total, result.completed, result.failed)
    assert {"good", "final_report.pdf", "", "ä/ö 😀"} == set(result.results)
    assert "on purpose" in result.failures["bad"]["error"]
    assert "input.txt" in result.failures["wrong"]["error"]


def test_explain_reaches_the_model(client, live):
    job = client.jobs.submit_text(live.model, "1.0.0", {"input.txt": "x"}, explain=True)
    result = client.results.block_until_complete(job, timeout=20)
    assert result.get_first_outputs()["results.json"]["explain"] is True


def test_submit_embedded_and_a_binary_output_by_url(client, live):
    job = client.jobs.submit_embedded(live.model, "1.0.0", {"a": {"input.txt": b"binary"}})
    outputs = client.results.block_until_complete(job, timeout=20).get_source_outputs("a")
    answer = httpx2.get(outputs["picture.bin"].strip(), headers={"Authorization": f"ApiKey {live.key}"}, verify=False)
    assert bytes(range(256)) == answer.content
    assert 401 == httpx2.get(outputs["picture.bin"].strip(), verify=False).status_code


def test_submit_file_of_20_megabytes(client, live, tmp_path):
    file = tmp_path / "big.txt"
    file.write_bytes(os.urandom(20_000_000))
    begun = time.perf_counter()
    job = client.jobs.submit_file(live.model, "1.0.0", {"big": {"input.txt": str(file)}})
    result = client.results.block_until_complete(job, timeout=60)
    assert 20_000_000 == result.get_source_outputs("big")["results.json"]["length"]
    assert time.perf_counter() - begun < 30


def test_jobs_block_until_complete_and_get(client, live):
    job = client.jobs.submit_text(live.model, "1.0.0", {"input.txt": "x"})
    ended = client.jobs.block_until_complete(job, timeout=20, poll_interval=0.05)
    assert ("COMPLETED", 1, 1, 0) == (ended.status, ended.total, ended.completed, ended.failed)
    assert "COMPLETED" == client.jobs.get(job.job_identifier).status


def test_cancel(client, live):
    job = client.jobs.submit_text(live.model, "1.0.0", {str(n): {"input.txt": "sleep 30"} for n in range(3)})
    assert "CANCELED" == client.jobs.cancel(job).status
    assert client.results.get(job).finished
    assert "CANCELED" == client.jobs.get(job).status


def test_history_and_its_filters(client, live):
    job = client.jobs.submit_text(live.model, "1.0.0", {"input.txt": "x"})
    client.results.block_until_complete(job, timeout=20)
    assert job.job_identifier in {one.job_identifier for one in client.jobs.get_history()}
    assert job.job_identifier in {
        one.job_identifier
        for one in client.jobs.get_history(
            user="a", model="echo", status="terminated", access_key=live.key.split(".")[0], sort_by="createdAt"
        )
    }
    assert [] == client.jobs.get_history(model="nosuchmodel")
    week = timedelta(days=7)
    today = datetime.now(UTC).replace(tzinfo=None)
    assert client.jobs.get_history(start_date=today - week, end_date=today + timedelta(hours=1))
    with pytest.raises(BadRequestError):
        client.jobs.get_history(end_date=today)
    with pytest.raises(BadRequestError):
        client.jobs.get_history(start_date=today + week)


def test_unknown_things_are_told(client, live):
    with pytest.raises(NotFoundError):
        client.jobs.submit_text("nosuchmode", "1.0.0", {"input.txt": "x"})
    with pytest.raises(NotFoundError):
        client.jobs.submit_text(live.model, "9.9.9", {"input.txt": "x"})
    with pytest.raises(NotFoundError):
        client.jobs.get("7c1f3a52-9f0a-4f0e-9a55-0d3a6f6c2b11")
    with pytest.raises(NotFoundError):
        client.results.get("7c1f3a52-9f0a-4f0e-9a55-0d3a6f6c2b11")


def test_tags(client):
    assert {"image", "label_or_classify", "computer_vision"} <= {tag.identifier for tag in client.tags.get_all()}
    tags, models = client.tags.get_tags_and_models(["nosuchtag"])
    assert ([], []) == (tags, models)


def test_engines_can_be_scaled_and_become_ready(client, live):
    assert isinstance(client.models.get_minimum_engines(), int)
    client.models.update_processing_engines(
        live.model, "1.0.0", min_engines=1, max_engines=2, timeout=30, poll_rate=0.2
    )
    details = client.models.get_model_processing_details(live.model, "1.0.0")
    assert details["ready"] + details["running"] >= 1
    with pytest.raises(ValueError, match="engine"):
        client.models.update_processing_engines(live.model, "1.0.0", min_engines=100, max_engines=200)
    client.models.update_processing_engines(live.model, "1.0.0", min_engines=0, max_engines=2)
