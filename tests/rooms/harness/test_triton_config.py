"""config.pbtxt, and the text form of protobuf that it is written in."""

from pathlib import Path

import numpy as np
import pytest

from headrace.runners.harness.adapters.adapter import Adapter, Asked, Given
from headrace.runners.harness.adapters.pbtxt import Reader, Unreadable
from headrace.runners.harness.adapters.torch_script import places
from headrace.runners.harness.adapters.triton_config import Config
from headrace.runners.harness.adapters.triton_reshape import reshaped
from headrace.runners.harness.tensors import Refused, Spec

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


@pytest.mark.parametrize(
    ("names", "arguments", "wanted"),
    [
        (["INPUT__1", "INPUT__0"], ["x", "y"], [1, 0]),
        (["b", "a"], ["a", "b", "c"], [1, 0]),
        (["first", "second"], ["a", "b"], [0, 1]),
        (["out__2"], [], [2]),
    ],
)
def test_which_argument_of_torchscript_a_tensor_is(names: list[str], arguments: list[str], wanted: list[int]) -> None:
    assert wanted == places(names, arguments)


def test_tensors_of_torchscript_with_one_number() -> None:
    with pytest.raises(TypeError, match="a number of its own"):
        places(["A__0", "B__0"])


class Seen(Adapter):
    """Gives back what it was given, and tells the shapes."""

    def __init__(self, max_batch_size: int) -> None:
        self.max_batch_size, self.seen = max_batch_size, ()

    def run(self, arrays, _asked):
        self.seen = tuple(one.shape for one in arrays.values())
        return Given({"Y": arrays["A"], "Z": arrays["B"]})


RESHAPED = """
input [ { name: "A" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } },
        { name: "B" data_type: TYPE_FP32 dims: [ -1, 4 ] reshape { shape: [ 2, -1, 2 ] } } ]
output [ { name: "Y" data_type: TYPE_FP32 dims: [ 1, 1 ] reshape { shape: [ ] } },
         { name: "Z" data_type: TYPE_FP32 dims: [ 4, -1 ] reshape { shape: [ 2, -1, 2 ] } } ]
"""


@pytest.mark.parametrize("batch", [0, 8])
def test_reshaped_tensors(tmp_path: Path, batch: int) -> None:
    (tmp_path / "config.pbtxt").write_text(RESHAPED)
    front = (3,) if batch else ()
    inner = Seen(batch)
    model = reshaped(inner, Config(tmp_path).reshapes)
    arrays = {"A": np.ones((*front, 1), "f4"), "B": np.ones((*front, 5, 4), "f4")}

    given = model.run(arrays, Asked(None, {}, []))

    assert (front, (*front, 2, 5, 2)) == inner.seen
    assert ((*front, 1, 1), (*front, 4, 5)) == (given.outputs["Y"].shape, given.outputs["Z"].shape)
    with pytest.raises(Refused, match="cannot be"):
        model.run({**arrays, "A": np.ones((*front, 2), "f4")}, Asked(None, {}, []))
