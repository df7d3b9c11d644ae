"""`models.deploy` of the unmodified modzy-sdk, from its first request to its last, then a job on what it deployed."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from live import running
from modzy import ApiClient
from PIL import Image

MODELS = Path(__file__).parent / "models"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Of a server whose operator allows deployments to name folders below this one."""
    with running(tmp_path_factory.mktemp("deploy"), f"images.folders={MODELS}") as server:
        yield ApiClient(base_url=f"{server.url}/api", api_key=server.key)


@pytest.fixture
def files(tmp_path):
    sample, picture = tmp_path / "sample.txt", tmp_path / "picture.png"
    sample.write_text("hello")
    Image.new("RGB", (1440, 1024), "navy").save(picture)
    return SimpleNamespace(sample=str(sample), picture=str(picture))


def arguments(files, **changes):
    found = {
        "container_image": f"file://{MODELS / 'echo'}",
        "model_name": "echo by sdk",
        "model_version": "0.1.0",
        "sample_input_file": files.sample,
        "run_timeout": "60",
        "status_timeout": "60",
        "short_description": "gives back what it gets",
        "tags": ["echo", "Label or Classify"],
        "cpu_count": 1,
        "memory": 0.5,
        "long_description": "long",
        "technical_details": "technical",
        "performance_summary": "fast",
        "performance_metrics": [
            {"label": "Accuracy", "category": "c", "type": "percentage", "description": "d", "highlight": True,
             "order": 1, "value": 0.9}
        ],
        "input_details": [
            {"name": "input.txt", "acceptedMediaTypes": "text/plain", "maximumSize": 1_000_000, "description": "text"}
        ],
        "output_details": [
            {"name": "results.json", "mediaType": "application/json", "maximumSize": 1_000_000, "description": "all"}
        ],
        "model_picture": files.picture,
    }  # fmt: skip
    return found | changes


def test_from_the_folder_to_the_result(client, files):
    deployed = client.models.deploy(**arguments(files))
    version = json.loads(deployed["model_data"])
    identifier = version["model"]["modelId"]

    model = client.models.get(identifier)
    assert ("echo by sdk", True, "0.1.0") == (model.name, model.isActive, model.latestActiveVersion)
    assert {"echo", "Label or Classify"} == {tag["name"] for tag in model.tags}
    assert {"thumbnail", "card", "background"} <= {image["relationType"] for image in model.images}
    stored = client.models.get_version(identifier, "0.1.0")
    assert ("active", "long", "technical", 0.9) == (
        stored.status, stored.longDescription, stored.technicalDetails, stored.statistics[0].value,
    )  # fmt: skip
    assert 100 == stored.runStatus["percentage"]
    job = client.jobs.submit_text(identifier, "0.1.0", {"input.txt": "x"})
    result = client.results.block_until_complete(job, timeout=20)
    assert "x" == result.get_first_outputs()["results.json"]["text"]

    client.models.edit_model_metadata(identifier, "0.1.0", long_description="longer")
    edited = client.models.get_version(identifier, "0.1.0")
    assert ("longer", "technical") == (edited.longDescription, edited.technicalDetails)


def test_a_second_version_of_the_same_model(client, files):
    first = json.loads(client.models.deploy(**arguments(files, model_name="two"))["model_data"])
    identifier = first["model"]["modelId"]
    client.models.deploy(**arguments(files, model_name="two", model_version="0.2.0", model_id=identifier))
    assert ["0.1.0", "0.2.0"] == sorted(one.version for one in client.models.get_versions(identifier))


def test_a_run_test_that_fails_is_told(client, files):
    Path(files.sample).write_text("fail on purpose")
    with pytest.raises(ValueError, match="on purpose"):
        client.models.deploy(**arguments(files, model_name="broken"))


def test_a_folder_that_is_not_allowed_or_an_image_is_told(client, files):
    for image, says in (("file:///etc", "operator allows"), ("registry.example/nobody/nothing:1", "container")):
        with pytest.raises(Exception, match=says):
            client.models.deploy(**arguments(files, model_name="nothing", container_image=image))
