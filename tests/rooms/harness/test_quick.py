"""The shortest way says what the longer one says, byte for byte, whatever is asked and whatever the model returns."""

import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms.harness.asking import Said, Wire, binary, body, field, floats, proto, tensor, view
from rooms.harness.test_mutated import changed

pytest.importorskip("numpy", reason="pip install numpy")

import numpy as np

from headrace.runners.harness.adapters.adapter import Adapter, Given
from headrace.runners.harness.adapters.python_tensors import PythonTensors
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.questions import Clock
from headrace.runners.harness.quick import Quick
from headrace.runners.harness.tensor_desk import TensorDesk
from headrace.runners.harness.tensors import Spec
from headrace.runners.harness.v2_json import JsonForm
from headrace.runners.harness.v2_proto import ProtoForm

META = {"id": "7", "model": "mine"}
FIRST_OF_GRPC = 14  # among `bodies`
TYPES = ["FP32", "FP64", "INT8", "UINT16", "INT32", "INT64", "BOOL", "FP16", "BF16"]
RETURNS = {
    "as declared": lambda x: {"y": x},
    "twice": lambda x: {"y": x + x},
    "more": lambda x: {"y": x, "z": x},
    "another name": lambda x: {"z": x},
    "another type": lambda x: {"y": x.astype("f8")},
    "text": lambda x: {"y": np.array(["a"] * x.size, object)},
    "a list": lambda x: {"y": x.tolist()},
    "one number": lambda x: {"y": x.reshape(-1)[0]},
    "no number": lambda x: {"y": x[:0]},
    "turned": lambda x: {"y": x.T},
    "every other": lambda x: {"y": np.repeat(x, 2, 1)[:, ::2]},
    "the other end first": lambda x: {"y": x.astype(x.dtype.newbyteorder(">"))},
    "no dictionary": lambda x: x,
    "with parameters": lambda x: Given({"y": x}, parameters={"a": 1}),
    "what it was given, changed": lambda x: {"y": np.add(x, 1, out=x)},
    "too much": lambda x: {"y": np.zeros((5_000, 4), x.dtype)},
    "an error": lambda x: {"y": x / "nothing"},
}


class Model(Adapter):
    def __init__(self, datatype: str, returns: str) -> None:
        self.inputs, self.outputs = (Spec("a", datatype, (-1, 2)),), (Spec("y", datatype, (-1, 2)),)
        self._returns = RETURNS[returns]
        self.seen: list[Any] = []

    def run(self, arrays, asked, /):
        x = arrays["a"]
        self.seen.append((x.dtype, x.shape, x.tobytes(), x.flags.writeable, *asked[:2], asked.id, asked.model))
        return self._returns(x)


def desk(datatype: str, returns: str) -> tuple[TensorDesk, Wire, Model]:
    wire, model = Wire(), Model(datatype, returns)
    return TensorDesk(model, Facts("simple", "1", Said(model.inputs, model.outputs)), wire, 10_000), wire, model


def wanted(name: str, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "parameters": parameters}


def bodies(datatype: str) -> list[tuple[str, bytes, dict[str, str]]]:
    json = [
        bytes(body(tensor("a", datatype, [1, 2], [1, 2]))),
        bytes(body(tensor("a", datatype, [1, 2], [1.5, -2.5]))),
        bytes(body(tensor("a", datatype, [2, 2], [3, 4, 1, 0]))),
        bytes(body(tensor("a", datatype, [1, 2], [True, None]))),
        bytes(body(tensor("a", datatype, [1, 2], [True, False]))),
        bytes(body(tensor("a", datatype, [1, 2], [1, 2]))).replace(b"[1, 2]}]", b'{"1": 2, "3": 4}}]'),
        bytes(body(tensor("a", datatype, [1, 2], [1, 2]))).replace(b"[1, 2]}]", b'[1, 2], "more": [3, 4]}]'),
        bytes(body(tensor("a", datatype, [1, 2], [1e300, 1 << 70]))),
        bytes(body(tensor("a", datatype, [0, 2], []))),
        bytes(body(tensor("a", datatype, [1, 2], [1, 2]), outputs=[{"name": "y"}])),
        bytes(body(tensor("a", datatype, [1, 2], [1, 2]), outputs=[wanted("y", binary_data=True)])),
        bytes(body(tensor("a", datatype, [1, 2], [1, 2]), outputs=[wanted("y", content_type="base64")])),
        bytes(body(tensor("a", datatype, [1, 2], [1, 2]), parameters={"n": 1})),
        bytes(body(tensor("a", datatype, [1, 2], [1, 2]), parameters={"binary_data_output": True})),
    ]
    width = {"FP64": 8, "INT64": 8, "INT8": 1, "BOOL": 1, "UINT16": 2, "FP16": 2, "BF16": 2}.get(datatype, 4)
    grpc = [
        bytes(proto(("a", datatype, [1, 2], floats(1, 2, 3, 4)[: 2 * width]))),
        bytes(proto(("a", datatype, [1, 2], bytes(range(2 * width))))),
        bytes(proto(("a", datatype, [1, 2], bytes(2 * width)), more=field(6, field(1, "y")))),
    ]
    raw = [
        binary(("a", datatype, [1, 2], floats(1, 2, 3, 4)[: 2 * width])),
        binary(("a", datatype, [1, 2], floats(1, 2, 3, 4)[: 2 * width]), parameters={"binary_data_output": True}),
        binary(("a", datatype, [1, 2], floats(1, 2, 3, 4)[: 2 * width]), id="8"),
        binary(("a", datatype, [1, 2], floats(1, 2, 3, 4)[: 2 * width]), outputs=[wanted("y", binary_data=True)]),
        binary(("a", datatype, [1, 2], floats(1, 2, 3, 4)[: 2 * width]), outputs=[wanted("y", classification=1)]),
        binary(("a", datatype, [1, 2], bytes(2 * width + 1))),
        binary(
            ("a", datatype, [1, 2], bytes(2 * width)), outputs=[wanted("y")], parameters={"binary_data_output": True}
        ),
    ]
    questions = [("v2-rest", one, META) for one in json] + [("v2-grpc", one, META) for one in grpc]
    return questions + [("v2-rest", bytes(one), META | meta) for one, meta in raw]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(TYPES), st.sampled_from(sorted(RETURNS)), st.integers(0, 1 << 32))
def test_memory_changes_no_answer(datatype: str, returns: str, seed: int) -> None:
    chance = random.Random(seed)
    remembers, wire, model = desk(datatype, returns)
    for _ in range(12):
        form, data, meta = chance.choice(bodies(datatype))
        if chance.random() < 0.2:
            data = changed(data, chance)
        fresh, other, new = desk(datatype, returns)
        question = (form, data, meta)
        assert other.ask(fresh, question) == wire.ask(remembers, question)
        assert new.seen == model.seen
        model.seen.clear()


def test_the_shortest_way_is_taken() -> None:
    """Otherwise nothing here would be tested."""
    model = Model("FP32", "as declared")
    known = Facts("simple", "1", Said(model.inputs, model.outputs))
    quick, json, grpc = Quick(known.output_types), JsonForm(known), ProtoForm(known)
    [text, message] = [bytes(data) for _, data, _ in (bodies("FP32")[0], bodies("FP32")[FIRST_OF_GRPC])]
    for form, data in ((json, text), (grpc, message)):
        known.check(form.decode(view(data), META))

    words, data, _ = json.words.split(text.replace(b"[1, 2]}]", b"[8, 9]}]")) or (b"", b"", 0)
    kept, start = grpc.words.find(bytearray(message)) or (None, 0)

    assert [[8, 9]] == quick.of_json(json.words.find(words), data)["a"].tolist()
    assert [[1, 2]] == quick.of_bytes(kept, bytearray(message), start)["a"].tolist()
    x = np.ones((1, 2), "f4")
    assert [("y", "FP32", x)] == quick.outputs(kept.plan, {"y": x})


class Counting(TensorDesk):
    """Counts the requests that take the longer way."""

    longer = 0

    def decode(self, asked, given):
        self.longer += 1
        return super().decode(asked, given)


@pytest.mark.parametrize("place", [0, FIRST_OF_GRPC, -1], ids=["json", "grpc", "binary"])
def test_a_request_in_known_words_takes_it(place: int) -> None:
    """By gRPC also without an identifier, as most clients ask there: then it gets one of ours."""
    wire, model = Wire(), Model("FP32", "as declared")
    one = Counting(model, Facts("simple", "1", Said(model.inputs, model.outputs)), wire, 10_000)
    form, data, meta = bodies("FP32")[place]
    asked = {name: value for name, value in meta.items() if name != "id" or form != "v2-grpc"}
    for _ in range(3):
        wire.ask(one, (form, data, asked))

    assert 1 == one.longer
    assert (1 if "id" in asked else 3) == len({seen[-2] for seen in model.seen})
    assert "" not in {seen[-2] for seen in model.seen}


def test_whoever_looks_at_no_more_than_arrays_is_not_told_who_asks() -> None:
    """Where a method takes parameters they are its own: what it writes into them is not seen by others."""

    class Plain:
        inputs, outputs = {"a": ("FP32", [-1, 2])}, {"y": ("FP32", [-1, 2])}

        def predict(self, inputs):
            return {"y": inputs["a"]}

    class Curious(Plain):
        def predict(self, inputs, parameters):
            count = parameters["count"] = parameters.get("count", 0) + 1
            return {"y": inputs["a"] * count}

    form, text, _ = bodies("FP32")[0]
    wire = Wire()
    for kind, anonymous in ((Plain, True), (Curious, False)):
        model = PythonTensors(kind(), {})
        one = Counting(model, Facts("simple", "1", Said(model.inputs, model.outputs)), wire, 10_000)
        said = [wire.ask(one, (form, text, META | {"id": name})) for name in "abc"]

        assert anonymous == model.anonymous
        assert 1 == one.longer
        assert [f'"{name}"' in str(answer) for name, answer in zip("abc", said, strict=True)] == [True] * 3
        assert all("[1.0,2.0]" in str(answer) for answer in said)


def test_each_question_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of a clock that only grows, and the time of day from when it was made."""
    ticks = iter([5.0, 5.25, 5.5, 6.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(time, "time", lambda: 100.0)
    clock = Clock()
    first = clock.stop(1)
    clock.again()

    assert [(100_000, 100_250, 250.0), (100_500, 101_500, 500.0)] == [first, clock.stop(2)]


def test_a_form_that_is_not_known_costs_its_question_only() -> None:
    one, wire, _ = desk("FP32", "as declared")

    [(error, outputs, *_)] = wire.ask(one, ("other", b"{}", META))

    assert "other" in error
    assert {} == outputs
