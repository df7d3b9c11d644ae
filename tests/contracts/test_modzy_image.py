"""`models.deploy` of the unmodified modzy-sdk with an image in a real registry, from first request to result."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from live import running
from modzy import ApiClient
from registry import PASSWORD, USER, registry

MODELS = Path(__file__).parent / "models"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A registry with a password, in which the echo model lies as an image."""
    folder = tmp_path_factory.mktemp("registry")
    with registry(folder, password=True) as found:
        found.image = f"{found.host}/models/echo:1"
        command = [sys.executable, "-m", "headrace", "image", "build", str(MODELS / "echo"), "--push", found.image]
        variables = {"HEADRACE_REGISTRY_PASSWORD": PASSWORD, "XDG_CACHE_HOME": str(folder), "PATH": "/usr/bin:/bin"}
        command += ["--plain-http", "--username", USER]
        subprocess.run(command, check=True, env=variables)
        yield found


@pytest.fixture(scope="module")
def server(tmp_path_factory, closed):
    with running(tmp_path_factory.mktemp("server"), f"images.registries={closed.setting}") as found:
        yield found


@pytest.fixture(scope="module")
def client(server):
    return ApiClient(base_url=f"{server.url}/api", api_key=server.key)


def arguments(folder, image, **changes):
    sample = folder / "sample.txt"
    sample.write_text("hello")
    found = {
        "container_image": image,
        "credentials": {"user": USER, "pass": PASSWORD},
        "model_name": "echo image",
        "model_version": "0.1.0",
        "sample_input_file": str(sample),
        "run_timeout": "60",
        "status_timeout": "60",
        "input_details": [{"name": "input.txt", "acceptedMediaTypes": "text/plain", "maximumSize": 1_000_000,
                           "description": "text"}],
        "output_details": [{"name": "results.json", "mediaType": "application/json", "maximumSize": 1_000_000,
                            "description": "all"}],
    }  # fmt: skip
    return found | changes


@pytest.mark.parametrize("form", ["{host}/models/echo:1", "http://{host}/v2/models/echo/manifests/1"])
def test_from_the_registry_to_the_result(client, server, closed, tmp_path, form):
    image = form.format(host=closed.host)
    deployed = client.models.deploy(**arguments(tmp_path, image, model_name=f"echo {len(form)}"))
    identifier = json.loads(deployed["model_data"])["model"]["modelId"]
    stored = client.models.get_version(identifier, "0.1.0")
    assert ("active", 100) == (stored.status, stored.runStatus["percentage"])
    assert (closed.host, "models", "echo", "COMPLETED", 100) == tuple(
        stored.containerImage[name]
        for name in ("registryHost", "repositoryNamespace", "repositoryName", "uploadStatus", "uploadPercentage")
    )
    assert stored.containerImage["containerImageSize"] > 1_000_000
    job = client.jobs.submit_text(identifier, "0.1.0", {"input.txt": "x"})
    result = client.results.block_until_complete(job, timeout=120)
    assert "x" == result.get_first_outputs()["results.json"]["text"]
    assert PASSWORD not in server.log.read_text()


def test_what_goes_wrong_is_told(client, closed, tmp_path):
    wrong = {"user": USER, "pass": "wrong-secret"}
    for changes, says in (
        ({"credentials": None}, "wants a username"),
        ({"credentials": wrong}, "refuses these credentials"),
        ({"container_image": f"{closed.host}/models/nothing:1"}, "has no"),
        ({"container_image": "127.0.0.1:9/models/echo:1"}, "not a public address"),
        ({"container_image": "Not An Image"}, "does not name an image"),
    ):
        with pytest.raises(Exception, match=says) as refused:
            client.models.deploy(**arguments(tmp_path, closed.image, model_name="nothing") | changes)
        assert "secret" not in str(refused.value)
