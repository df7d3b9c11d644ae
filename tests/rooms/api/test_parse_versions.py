"""The PATCH of a version: what every client sends, null and strangers included."""

import msgspec
import pytest

from headrace.api import sentences
from headrace.api.modzy.parse import versions as parse
from headrace.catalog.versions import new_version
from headrace.domain.errors import Invalid
from headrace.domain.ids import VersionKey
from headrace.domain.version import InputSpec, OutputSpec, Processing, Statistic, Timeout, VersionStatus

DRAFT = new_version(VersionKey("ed542963de", "1.0.0"), "ann@example.com", 1)


def _changes(**body):
    return parse.changes(sentences.decode(msgspec.json.encode(body), parse.VersionPatch))


def test_everything_the_python_client_deploys_with():
    changed = _changes(
        requirement={"requirementId": -6},
        timeout={"run": 60000, "status": 30000.0},
        inputs=[
            {"name": "input", "acceptedMediaTypes": "application/json", "maximumSize": 1000000, "description": "d"}
        ],
        outputs=[{"name": "results.json", "mediaType": "application/json", "maximumSize": 1000000, "description": "d"}],
        statistics=[],
        processing={"minimumParallelCapacity": 0, "maximumParallelCapacity": 1},
        longDescription="long",
        technicalDetails="",
        performanceSummary="good",
    ).apply(DRAFT)

    assert (-6, 1) == (changed.requirement.identifier, changed.requirement.gpu_units)
    assert Timeout(30000, 60000) == changed.timeout
    assert (InputSpec("input", "application/json", 1000000, "d"),) == changed.inputs
    assert (OutputSpec("results.json", "application/json", 1000000, "d"),) == changed.outputs
    assert Processing(0, 1) == changed.processing
    assert ("long", "", "good") == (changed.long_description, changed.technical_details, changed.performance_summary)


def test_null_and_absence_leave_it_as_it_is():
    changes = _changes(
        inputs=None, outputs=None, statistics=None, longDescription=None, timeout={"run": 5}, isActive=True
    )
    assert Timeout(60_000, 5) == changes.apply(DRAFT).timeout
    nothing = _changes(inputs=None, version="9.9.9", createdBy="me")
    assert not nothing.edits
    assert DRAFT == nothing.apply(DRAFT)


def test_older_builders_send_amounts_and_lists():
    changed = _changes(
        requirement={"cpuAmount": "500m", "gpuUnits": 0, "memoryAmount": "512Mi"},
        inputs=[{"name": "in", "acceptedMediaTypes": ["image/png", "image/jpeg"], "maximumSize": None}],
        outputs=[{"name": "out", "mediaTypes": "text/plain"}],
        statistics=[{"label": "F1", "value": "0.9"}],
    ).apply(DRAFT)
    assert (500, 512 << 20) == (changed.requirement.hardware.cpu_millis, changed.requirement.hardware.memory_bytes)
    assert "image/png, image/jpeg" == changed.inputs[0].accepted_media_types
    assert "text/plain" == changed.outputs[0].media_type
    assert (Statistic("F1", 0.9),) == changed.statistics


@pytest.mark.parametrize(
    "body",
    [
        {"processing": {"minimumParallelCapacity": 1, "maximumParallelCapacity": 2}},
        {"minimumParallelCapacity": 1, "maximumParallelCapacity": 2, "ModelID": "x", "Version": "1"},
    ],
)
def test_engines_nested_and_on_top(body):
    assert Processing(1, 2) == _changes(**body).apply(DRAFT).processing
    patch = sentences.decode(msgspec.json.encode(body), parse.ProcessingPatch)
    assert Processing(1, 2) == parse.merged(parse.processing_of(patch), Processing())


def test_status_in_any_letter_case():
    assert VersionStatus.ACTIVE is _changes(status="ACTIVE").status


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"status": "ready"}, "`status` should be one of partial, active"),
        ({"requirement": {"requirementId": 77}}, "requirementId 77 does not exist"),
        ({"requirement": {"cpuAmount": "many"}}, "cpuAmount"),
        ({"timeout": {"run": 0}}, "`timeout.run`"),
        ({"inputs": [{"name": ""}]}, "`inputs[0].name`"),
        ({"inputs": [{"name": "a"}, {"name": "a"}]}, "'a' more than once"),
        ({"outputs": [{"name": "../a"}]}, "file's name"),
        ({"inputs": {}}, "`inputs` should be a list or null, but is an object"),
        ({"statistics": [{"label": "x", "value": "high"}]}, "should have a number as `value`"),
        ({"statistics": [{"label": "x", "value": "NaN"}]}, "should have a number as `value`"),
        ({"inputValidationSchema": "{"}, "inputValidationSchema is not JSON"),
    ],
)
def test_what_is_wrong_is_told(body, sentence):
    with pytest.raises(Invalid) as told:
        _changes(**body)
    assert sentence in told.value.message


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"minimumParallelCapacity": 5}, "above the `maximumParallelCapacity` of 1"),
        ({"minimumParallelCapacity": 0, "maximumParallelCapacity": 0}, "at least 1"),
    ],
)
def test_engines_that_make_no_sense(body, sentence):
    with pytest.raises(Invalid, match=sentence):
        _changes(**body).apply(DRAFT)


@pytest.mark.parametrize(
    ("body", "folder"),
    [
        ({"registry": {"url": "file:///models/my%20model"}}, "/models/my model"),
        ({"registry": {"url": "file://localhost/models/a"}}, "/models/a"),
        ({"registry": {"url": "/models/a", "username": "x", "password": "y"}}, "/models/a"),
        ({"folder": "/models/a"}, "/models/a"),
    ],
)
def test_a_folder_on_the_server(body, folder):
    assert folder == parse.source_of(msgspec.convert(body, parse.ImageBody))


@pytest.mark.parametrize(
    "url", ["modzy/echo:1.0", "https://registry.hub.docker.com/v2/modzy/echo/manifests/1.0", "docker.io/modzy/echo:1.0"]
)
@pytest.mark.parametrize(("extra", "known"), [({}, False), ({"username": "x", "password": "y"}, True)])
def test_an_image_in_a_registry(url, extra, known):
    found = parse.source_of(msgspec.convert({"registry": {"url": url} | extra}, parse.ImageBody))
    assert "docker.io/modzy/echo:1.0" == str(found.reference)
    assert known is (found.credentials is not None)
    assert "'x'" not in repr(found)


@pytest.mark.parametrize("extra", [{"username": "x"}, {"password": "y"}, {"username": "a:b", "password": "y"}])
def test_half_of_the_credentials(extra):
    with pytest.raises(Invalid, match="username"):
        parse.source_of(msgspec.convert({"registry": {"url": "modzy/echo:1.0"} | extra}, parse.ImageBody))


@pytest.mark.parametrize("body", [{}, {"registry": {"url": " "}}, {"registry": {"url": "file://other/x"}}])
def test_no_image_at_all(body):
    with pytest.raises(Invalid):
        parse.source_of(msgspec.convert(body, parse.ImageBody))
