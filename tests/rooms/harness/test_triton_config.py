"""config.pbtxt, and the text form of protobuf that it is written in."""

from pathlib import Path

import pytest

from headrace.runners.harness.adapters.pbtxt import Reader, Unreadable
from headrace.runners.harness.adapters.triton_config import Config
from headrace.runners.harness.tensors import Spec

TEXT = """
name: "simple"  # a comment
backend: 'python'
max_batch_size: 8;
input [
  { name: "A" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "B", data_type: TYPE_FP32, dims: -1, dims: 4, optional: true }
]
output < name: "Y" data_type: TYPE_BF16 dims: [ ] label_filename: "labels.txt" >
parameters { key: "k" value { string_value: "v\\n" } }
model_transaction_policy { decoupled: false }
version_policy: { latest { num_versions: 1 } }
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "config.pbtxt").write_text(TEXT)
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    return Config(tmp_path)


def test_tensors_with_their_batch_in_front(config: Config) -> None:
    assert (Spec("A", "BYTES", (-1, 1)), Spec("B", "FP32", (-1, -1, 4), optional=True)) == config.specs("input")
    assert (Spec("Y", "BF16", (-1,)),) == config.specs("output")
    assert {"Y": ["cat", "dog"]} == config.labels()
    assert ("simple", "python", 8, False) == (config.name, config.platform, config.max_batch_size, config.decoupled)


def test_what_a_python_model_is_given(config: Config) -> None:
    given = config.as_json()

    assert {"k": {"string_value": "v\n"}} == given["parameters"]
    assert [[1], [-1, 4]] == [one["dims"] for one in given["input"]]
    assert {"latest": {"num_versions": 1}} == given["version_policy"]


@pytest.mark.parametrize("text", ["a", "a {", "a: }", "1: 2", "a: [1", "a: ~", "a {" * 100, "a: 1x"])
def test_what_is_not_in_this_form(text: str) -> None:
    with pytest.raises(Unreadable):
        Reader(text).message()
