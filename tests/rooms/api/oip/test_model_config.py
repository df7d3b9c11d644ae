"""A model of a Triton repository gives back its configuration, with what this server decides laid over it."""

import pytest

from headrace.api.grpc.typed import written
from headrace.api.oip.model_config import config
from headrace.api.oip.proto import inference_pb2 as pb
from headrace.domain.ids import VersionKey
from headrace.domain.tensor import TensorModel, TensorSpec
from headrace.domain.version import Version, VersionStatus

TEXT = """
name: "theirs" backend: "python" max_batch_size: 4 default_model_filename: "other.py"
input [
  { name: "IN" data_type: TYPE_FP32 dims: [ 4 ] optional: true },
  { name: "MORE" data_type: TYPE_STRING dims: [ 1 ] allow_ragged_batch: true }
]
output [ { name: "OUT" data_type: TYPE_FP32 dims: [ 4 ] label_filename: "labels.txt" } ]
instance_group [ { count: 7 kind: KIND_GPU } ]
parameters { key: "k" value { string_value: "v" } }
version_policy { specific { versions: [ 3, 5 ] } }
response_cache { enable: true }
optimization { priority: PRIORITY_MAX }
"""
BATCHES = (
    "dynamic_batching { preferred_batch_size: [ 2, 4 ] max_queue_delay_microseconds: 100 preserve_ordering: true }"
)
SEQUENCES = (
    'sequence_batching { control_input [ { name: "START" control [ { kind: CONTROL_SEQUENCE_START '
    "fp32_false_true: [ 0, 1 ] } ] } ] "
)


def version(text, sequences=0, batch=8):
    inputs = (TensorSpec("IN", "FP32", (-1, 4)), TensorSpec("MORE", "BYTES", (-1, 1)), TensorSpec("NEW", "BOOL", (-1,)))
    outputs = (TensorSpec("OUT", "FP32", (-1, 4)),)
    tensors = TensorModel("python", inputs, outputs, batch, config=text, sequences=sequences)
    return Version(VersionKey("m", "1.0.0"), VersionStatus.ACTIVE, 0, 0, "a@b.c", tensors=tensors)


def test_what_was_deployed_comes_back():
    found = config("mine", version(TEXT + BATCHES))

    assert {"k": {"string_value": "v"}} == found["parameters"]
    assert [True, False, False] == [one["optional"] for one in found["input"]]
    assert found["input"][1]["allow_ragged_batch"]
    assert "labels.txt" == found["output"][0]["label_filename"]
    assert {"specific": {"versions": ["3", "5"]}} == found["version_policy"]
    assert "other.py" == found["default_model_filename"]
    assert ("PRIORITY_MAX", False) == (found["optimization"]["priority"], found["optimization"]["eager_batching"])
    assert {
        "preferred_batch_size": [2, 4], "max_queue_delay_microseconds": "100", "preserve_ordering": True,
    } == found["dynamic_batching"]  # fmt: skip


def test_what_the_server_decides_is_its_own():
    found = config("mine", version(TEXT))

    assert ("mine", 8, "python") == (found["name"], found["max_batch_size"], found["backend"])
    assert [("KIND_CPU", 1)] == [(one["kind"], one["count"]) for one in found["instance_group"]]
    assert ["IN", "MORE", "NEW"] == [one["name"] for one in found["input"]]  # the model itself may have added one
    assert [[4], [1], []] == [one["dims"] for one in found["input"]]
    assert "response_cache" not in found
    assert {} == found["dynamic_batching"]


@pytest.mark.parametrize(
    ("more", "strategy"),
    [("}", "direct"), ("oldest { max_candidate_sequences: 4 } }", "oldest"), ("direct { } }", "direct")],
)
def test_a_batcher_of_sequences_keeps_its_controls(more, strategy):
    found = config("mine", version(TEXT + SEQUENCES + more, sequences=60_000_000))

    said = found["sequence_batching"]
    assert ["START"] == [one["name"] for one in said["control_input"]]
    assert {strategy} == said.keys() & {"direct", "oldest"}
    assert "60000000" == said["max_sequence_idle_microseconds"]
    assert "dynamic_batching" not in found


@pytest.mark.parametrize(
    "text", ["", "a {", "input " * 9, "x { " * 5_000, TEXT, TEXT + BATCHES, TEXT + SEQUENCES + "}"]
)
def test_grpc_says_the_same(text):
    """Also where the text is none, or of a newer server."""
    found = config("mine", version(text, sequences=60_000_000 * ("sequence" in text)))
    said = written({"config": found}, pb.ModelConfigResponse()).config

    assert ("mine", 8, ["IN", "MORE", "NEW"]) == (said.name, said.max_batch_size, [one.name for one in said.input])
    assert said.input[0].optional is text.startswith(TEXT)


def test_fields_that_nobody_knows_lose_only_themselves():
    found = config("mine", version("next_year: 3 next { a: 1 }" + TEXT))
    assert found["input"][0]["optional"]
