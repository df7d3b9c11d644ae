"""Our own OpenAPI document against a live server: whatever is sent, the answer is a documented one and never a 5xx."""

from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from live import checked, running, wait_for
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

MODELS = Path(__file__).parent / "models"
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="session")
def guinea_pig(tmp_path_factory):
    """A server of its own: what is generated also changes and deletes things."""
    with running(tmp_path_factory.mktemp("openapi"), "server.json_limit=1000000", "server.hold_results=0.1") as server:
        model = server.deploy(MODELS / "echo")
        body = {
            "model": {"identifier": model, "version": "1.0.0"},
            "input": {"type": "text", "sources": {"a": {"input.txt": "binary"}}},
        }
        with server.client() as client:
            job = checked(client.post("/jobs", json=body)).json()["jobIdentifier"]
            wait_for(lambda: checked(client.get(f"/results/{job}")).json()["finished"])
            draft = checked(client.post("/models", json={"name": "draft", "version": "1.0.0"})).json()["identifier"]
        known = {"model": draft, "version": "1.0.0", "job": job, "input": "a", "output": "picture.bin", "tags": "image"}
        yield SimpleNamespace(url=server.url, key=server.key, known=known)


REFUSALS = {501, 503}  # what this server does not do, or not now: the protocol's own codes, where they are documented
SHARDS = 4  # so that workers share the routes


@pytest.mark.parametrize("real", [True, False], ids=["real things", "any name"])
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize(("place", "at_least"), [("api/openapi.json", 60), ("v2/docs/dataplane.json", 25)])
def test_every_answer_is_a_documented_one(guinea_pig, place, at_least, shard, real):
    document = schemathesis.openapi.from_url(f"{guinea_pig.url}/{place}")
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) > at_least
    for operation in operations[shard::SHARDS]:
        try_out(operation, guinea_pig.key, guinea_pig.known if real else {})


def try_out(operation, key, known):
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def each(case):
        for name in set(case.path_parameters) & set(known):
            case.path_parameters[name] = known[name]
        answer = case.call(headers={"Authorization": f"ApiKey {key}"}, timeout=20)
        case.validate_response(answer, checks=CHECKS[answer.status_code in REFUSALS :])

    each()


def test_the_document_is_public_and_names_the_routes(live):
    document = httpx2.get(f"{live.url}/api/openapi.json", verify=False).json()
    assert document["openapi"].startswith("3.1")
    assert {"/api/jobs", "/api/results/{job}", "/api/models/{model}/versions/{version}"} <= {
        path.replace("{modelId}", "{model}") for path in document["paths"]
    }


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "/jobs", b"{", 400, "JSON"),
        ("POST", "/jobs", b"[]", 400, "object"),
        ("POST", "/jobs", b'{"model": {"identifier": 3, "version": "1.0.0"}}', 400, "model.identifier"),
        ("POST", "/jobs", b'{"model": {"identifier": "x", "version": "1"}, "input": {"type": "smoke"}}', 400, "smoke"),
        ("GET", "/nosuchroute", None, 404, "nosuchroute"),
        ("PUT", "/jobs", b"{}", 405, "PUT"),
        ("GET", "/jobs/history?endDate=2020-01-01T00:00:00", None, 400, "startDate"),
        ("GET", "/models/nosuchmode", None, 404, "nosuchmode"),
        ("POST", "/models", b'{"name": "", "version": "1.0.0"}', 400, "name"),
        ("POST", "/models", b'{"name": "x", "version": "one"}', 400, "1.0.0"),
    ],
)
def test_bad_input_is_told_what_was_wrong(live, method, path, body, status, says):
    headers = {"Authorization": f"ApiKey {live.key}", "Content-Type": "application/json"}
    answer = httpx2.request(method, f"{live.url}/api{path}", content=body, headers=headers, verify=False)

    assert status == answer.status_code
    told = answer.json()
    assert {"statusCode", "status", "message", "reportErrorUrl"} <= set(told)
    assert status == told["statusCode"]
    assert says in told["message"]
    assert "Traceback" not in answer.text
