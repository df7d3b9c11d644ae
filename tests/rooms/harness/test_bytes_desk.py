"""Open Inference requests for a model that takes files: an element of a BYTES tensor is one input."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rooms.harness.asking import Wire, body, field, proto, tensor

import headrace.runners.harness
from headrace.runners.harness.bytes_desk import BytesDesk, FilesAsBytes
from headrace.runners.harness.files_model import FilesModel
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.protobuf import fields


class Shout:
    batch_size = 4

    def __init__(self) -> None:
        self.batches: list[int] = []

    def predict_batch(self, batch):
        self.batches.append(len(batch))
        return [ValueError("empty") if not one["in.txt"] else {"out.txt": one["in.txt"].upper()} for one in batch]


def asked(
    model: object, *questions: tuple[str, Any, dict[str, str]], names: tuple[str, ...] = ("in.txt",)
) -> list[Any]:
    wire = Wire()
    known = Facts("shout", "1.0.0", FilesAsBytes(names))
    return wire.ask(BytesDesk(FilesModel(model, 1_000), known, wire, 1_000), *questions)


def rest(*texts: str, **more: Any) -> tuple[str, memoryview, dict[str, str]]:
    return "v2-rest", body(tensor("in.txt", "BYTES", [len(texts)], list(texts)), **more), {}


def test_elements_are_predictions_and_questions_share_batches() -> None:
    model = Shout()

    first, second = asked(model, rest("a", "b"), rest("c", "d", "e"))

    [output] = json.loads(first[1][""])["outputs"]
    assert {"name": "out.txt", "datatype": "BYTES", "shape": [2], "data": ["A", "B"]} == output
    assert ["C", "D", "E"] == json.loads(second[1][""])["outputs"][0]["data"]
    assert [4, 1] == model.batches


def test_an_element_that_fails_fails_its_question() -> None:
    first, second = asked(Shout(), rest("a", ""), rest("b"))

    assert ("empty", "model") == (first[0], first[2])
    assert second[0] is None


def test_what_is_refused() -> None:
    numbers = ("v2-rest", body(tensor("in.txt", "FP32", [1], [1])), {})
    unknown = ("v2-rest", body(tensor("x", "BYTES", [1], ["a"])), {})
    output = rest("a", outputs=[{"name": "nope"}])

    answers = asked(Shout(), numbers, unknown, output)

    assert ["request"] * 3 == [one[2] for one in answers]
    assert "expects 'BYTES'" in answers[0][0]
    assert "unexpected inference input 'x'" in answers[1][0]
    assert "unexpected inference output 'nope' for model 'shout'" == answers[2][0]


def test_over_grpc() -> None:
    [answer] = asked(Shout(), ("v2-grpc", proto(("in.txt", "BYTES", [1], b"\1\0\0\0a")), {}))

    assert (6, b"\1\0\0\0A") == [*fields(memoryview(answer[1][""]))][-1]
    assert field(1, "simple") == answer[1][""][:8]


def test_outputs_over_the_limit() -> None:
    [answer] = asked(Shout(), rest("a" * 900, "b" * 200))
    assert "the limit is 1000 bytes" in answer[0]


def test_a_model_of_files_needs_no_numpy() -> None:
    """Its environment may be bare: what is loaded for its requests is the standard library."""
    harness = Path(headrace.runners.harness.__file__).parent
    program = (
        f"import sys; sys.path.insert(0, {str(harness)!r}); import harness; harness.at_home(); import importlib;"
        "importlib.import_module('headrace.runners.harness.bytes_desk'); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert "False" == done.stdout.strip()
