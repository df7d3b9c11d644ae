"""Which inputs can never run, and with which sentence they fail."""

import json
from dataclasses import replace

import pytest

from headrace.domain.body import BlobRef
from headrace.domain.errors import Invalid
from headrace.domain.ids import VersionKey
from headrace.domain.tensor import TensorModel
from headrace.domain.version import InputSpec, Version, VersionStatus
from headrace.inference.validate import check_schema, refusal

TEXT = InputSpec("input.txt", "text/plain", 10)
CONFIG = InputSpec("config.json", "application/json")
SCHEMA = json.dumps({"type": "object", "required": ["size"], "properties": {"size": {"type": "integer"}}})


def version(*inputs: InputSpec, schema: str = "") -> Version:
    draft = Version(VersionKey("abc", "1.0.0"), VersionStatus.ACTIVE, 0, 0, "ann@example.com")
    return replace(draft, inputs=inputs, input_validation_schema=schema)


def test_a_right_input_is_not_refused() -> None:
    assert refusal(version(TEXT, CONFIG), {"input.txt": b"hello", "config.json": b"{}"}) is None


REQUEST = b' {"inputs": [{"name": "a", "datatype": "FP32", "shape": [1], "data": [1]}]}'


@pytest.mark.parametrize(
    ("bodies", "refused"),
    [
        ({"request.json": REQUEST}, False),
        ({"a": REQUEST}, False),
        ({"request.json": BlobRef("0" * 64, 100_000)}, False),  # the replica sees what it is
        ({"request.json": b"[1]"}, True),
        ({"request.json": b'{"outputs": []}'}, True),
        ({"request.json": REQUEST, "other": b"1"}, True),
        ({"a": b"[1]"}, True),
    ],
)
def test_one_request_holds_the_tensors_of_all_inputs(bodies: dict, refused: bool) -> None:
    takes_tensors = replace(version(InputSpec("a", ""), InputSpec("b", "")), tensors=TensorModel("test"))

    assert refused is (refusal(takes_tensors, bodies) is not None)
    assert refusal(replace(takes_tensors, tensors=None), bodies) is not None


def test_a_version_without_declared_inputs_takes_anything() -> None:
    assert refusal(version(), {"whatever": b"hello"}) is None


@pytest.mark.parametrize(
    ("bodies", "sentence"),
    [
        ({}, "the input has no content: give it input.txt, config.json"),
        (
            {"input.txt": b"x"},
            "expected input file does not exist: config.json (this model takes input.txt, config.json)",
        ),
        (
            {"input.txt": b"x", "config.json": b"", "more": b""},
            "the model does not know the input more (this model takes input.txt, config.json)",
        ),
        (
            {"input.txt": b"x" * 11, "config.json": b""},
            "input.txt has 11 bytes, and the model takes at most 10",
        ),
        (
            {"input.txt": BlobRef("ab", 1 << 30), "config.json": b""},
            "input.txt has 1073741824 bytes, and the model takes at most 10",
        ),
    ],
)
def test_names_and_sizes(bodies, sentence: str) -> None:
    assert sentence == refusal(version(TEXT, CONFIG), bodies)


@pytest.mark.parametrize("media_type", ["", "image/png", "IMAGE/JPEG; q=1", "application/octet-stream", "text/plain"])
def test_media_types_that_pass(media_type: str) -> None:
    spec = InputSpec("photo", "image/png, image/*")
    assert refusal(version(spec), {"photo": b"x"}, {"photo": media_type}) is None


def test_a_media_type_that_is_not_taken() -> None:
    spec = InputSpec("photo", "image/png,image/jpeg")
    expected = "photo is audio/wav, and the model takes image/png, image/jpeg"
    assert expected == refusal(version(spec), {"photo": b"x"}, {"photo": "audio/wav"})


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"size": 1}', None),
        (b'{"size": "big"}', "config.json does not match the model's schema: at /size: 'big' is not of type 'integer'"),
        (b"{}", "config.json does not match the model's schema: at /: 'size' is a required property"),
        (b"hello", "config.json is not JSON: JSON is malformed: invalid character (byte 0)"),
        (BlobRef("ab", 100_000), None),
    ],
)
def test_the_schema_of_json_inputs(body, sentence: str | None) -> None:
    assert sentence == refusal(version(CONFIG, schema=SCHEMA), {"config.json": body})


def test_the_schema_says_nothing_about_other_inputs() -> None:
    assert refusal(version(TEXT, schema=SCHEMA), {"input.txt": b"hello"}) is None


def test_a_schema_that_points_elsewhere_is_not_fetched() -> None:
    schema = json.dumps({"$ref": "http://127.0.0.1:9/schema.json"})
    assert refusal(version(CONFIG, schema=schema), {"config.json": b"{}"}) is None


@pytest.mark.parametrize("text", ["", "  ", SCHEMA, "true"])
def test_schemas_that_can_be_set(text: str) -> None:
    check_schema(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not JSON"),
        ('{"type": "integr"}', "is not a JSON schema: at /type: 'integr' is not valid"),
        ("[1]", "is not a JSON schema"),
        ("1" * 70_000, "has 70000 characters"),
    ],
)
def test_schemas_that_cannot(text: str, sentence: str) -> None:
    with pytest.raises(Invalid, match=sentence):
        check_schema(text)
