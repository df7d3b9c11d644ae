"""Requests that run together: their answers are those that each would have got alone, whatever lies beside them."""

import json
import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms.harness.asking import Said, Wire, binary, body, facts, proto, tensor, view

pytest.importorskip("numpy", reason="pip install numpy")

import numpy as np

from headrace.runners.harness.adapters.adapter import Adapter
from headrace.runners.harness.merge import groups
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.tensor_desk import TensorDesk
from headrace.runners.harness.tensors import DATATYPES, Input, Request, Spec

META = {"id": "ab"}
FLAT = ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64"]


class Double(Adapter):
    """Each row twice in itself, and its sum; remembers how many rows came together. Refuses rows with 13."""

    max_batch_size, rows = 8, 8

    def __init__(self) -> None:
        self.together: list[int] = []

    def run(self, arrays, asked, /):
        rows = len(next(iter(arrays.values())))
        self.together.append(rows)
        for array in arrays.values():
            if array.dtype.kind in "iuf" and (array == 13).any():
                raise ValueError("thirteen")
        said = np.array([json.dumps(asked.parameters)] * rows, object)
        return {**{f"{name}_twice": np.concatenate([array, array], 1) for name, array in arrays.items()}, "said": said}


def desk(model: Adapter, *specs: Spec, at_most: int = 1 << 20) -> tuple[TensorDesk, Wire]:
    wire = Wire()
    said = Said(specs, (), model.max_batch_size)
    return TensorDesk(model, Facts("simple", "1", said), wire, at_most), wire


@st.composite
def questions(draw) -> tuple[str, memoryview, dict[str, str]]:
    rows, width = draw(st.integers(1, 5)), draw(st.integers(0, 3))
    datatype = draw(st.sampled_from(["INT32", "FP32", "BYTES"]))
    values = draw(st.lists(st.integers(0, 20), min_size=rows * width, max_size=rows * width))
    more: dict[str, Any] = {"id": draw(st.text("ab", min_size=1))}
    if draw(st.booleans()):
        more["parameters"] = {"n": draw(st.integers(0, 1))}
    if datatype != "BYTES" and draw(st.booleans()):
        data = np.array(values, "i4" if datatype == "INT32" else "f4").tobytes()
        if "parameters" not in more and draw(st.booleans()):
            return "v2-grpc", proto(("x", datatype, [rows, width], data), one_id=more["id"]), {}
        return "v2-rest", *binary(("x", datatype, [rows, width], data), **more)
    given_values = [str(value) for value in values] if datatype == "BYTES" else values
    return "v2-rest", body(tensor("x", datatype, [rows, width], given_values), **more), {}


def again(question: tuple[str, memoryview, dict[str, str]]) -> tuple[str, memoryview, dict[str, str]]:
    form, data, meta = question
    return form, view(bytes(data)), meta


@settings(max_examples=150, deadline=None)
@given(st.lists(questions(), min_size=1, max_size=12))
def test_together_or_alone_the_answers_are_the_same(asked) -> None:
    model = Double()
    shared, wire = desk(model)

    together = wire.ask(shared, *map(again, asked))

    assert all(rows <= 8 for rows in model.together)
    alone = []
    for question in asked:
        single, line = desk(Double())
        alone += line.ask(single, again(question))
    assert alone == [(*one, {key: value for key, value in meta.items() if key != "call"}) for *one, meta in together]
    calls: Counter[str] = Counter()
    for error, *_, meta in together:
        if error is None:
            calls[meta.get("call", "")] += int(meta.get("rows", 1))
    assert Counter(calls.values()) <= Counter(model.together)  # beside these are those that failed


def test_what_is_not_usual_is_told_of_each_answer() -> None:
    shared, wire = desk(Double())
    ones = [("v2-rest", body(tensor("x", "INT32", [rows, 1], [1] * rows)), META) for rows in (1, 1, 4, 3)]

    assert [{}, {}] == told(wire.ask(shared, *ones[:2]))
    assert [{}, {}, {"rows": "4"}, {"rows": "3", "call": "3"}] == told(wire.ask(shared, *ones))
    assert [{"rows": "4"}, {"rows": "4"}] == told(wire.ask(shared, ones[2]) + wire.ask(shared, ones[2]))


def told(answers) -> list[dict[str, str]]:
    return [{key: meta[key] for key in ("rows", "call") if key in meta} for *_, meta in answers]


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from("ab")), max_size=30), st.integers(1, 8))
def test_groups_hold_each_request_once_and_in_order(rows: list[tuple[int, str]], most: int) -> None:
    requests = [
        (place, Request("1", [Input(name, "INT8", (size, 1), [], None)])) for place, (size, name) in enumerate(rows)
    ]

    found = groups(requests, most)

    assert sorted(place for group in found for place in group) == list(range(len(rows)))
    assert all(group == sorted(group) for group in found)
    for group in found:
        assert 1 == len({rows[place][1] for place in group})
        assert len(group) == 1 or sum(rows[place][0] for place in group) <= most


def test_equal_requests_run_at_once_and_a_bad_one_costs_only_itself() -> None:
    model = Double()
    shared, wire = desk(model)
    ones = [("v2-rest", body(tensor("x", "INT32", [1, 2], [number, 5])), {}) for number in (1, 13, 3)]

    first, second, third = wire.ask(shared, *ones)

    assert [3, 1, 1, 1] == model.together
    assert ("thirteen", {}, "model", {}) == second
    assert [1, 5, 1, 5] == json.loads(first[1][""])["outputs"][0]["data"]
    assert [3, 5, 3, 5] == json.loads(third[1][""])["outputs"][0]["data"]


def test_refused_requests_do_not_reach_the_model() -> None:
    model = Double()
    shared, wire = desk(model)
    bad, good = ("v2-rest", view(b"{"), {}), ("v2-rest", body(tensor("x", "INT32", [1, 1], [1])), {})

    given_answers = wire.ask(shared, bad, good, again(bad), again(good))

    assert ["request", "model", "request", "model"] == [one[2] for one in given_answers]
    assert [2] == model.together


def test_progress_covers_what_runs_together() -> None:
    shared, wire = desk(Double())
    one = ("v2-rest", body(tensor("x", "INT32", [1, 1], [1])), {})

    wire.ask(shared, *[again(one) for _ in range(4)])

    assert (0, 4) == wire.progress[-1]


class Says(Adapter):
    def __init__(self, given: Any, outputs: tuple[Spec, ...] = ()) -> None:
        self._given, self.outputs = given, outputs

    def run(self, arrays, _asked, /):
        return self._given(arrays["x"]) if callable(self._given) else self._given


def said(model: Adapter, question: memoryview, /, *outputs: Spec, **meta: str) -> Any:
    wire = Wire()
    known = Facts("simple", "1", Said((), outputs, 0))
    [answer] = wire.ask(TensorDesk(model, known, wire, 1 << 20), ("v2-rest", question, meta))
    return answer


VALUES = {
    "BOOL": [True, False, 0.0, 1.0, 0, 1],
    "UINT8": [0, 255, 7.0],
    "UINT64": [0, (1 << 64) - 1],
    "INT8": [-128, 127],
    "INT64": [-(1 << 63), (1 << 63) - 1],
    "FP16": [0.5, -2, 65504],
    "BF16": [0.5, -2.0, 3.140625],
    "FP32": [0.5, 1],
    "FP64": [0.1, 1e308],
    "BYTES": ["", "é", "\0"],
}


@pytest.mark.parametrize(("datatype", "values"), VALUES.items())
def test_every_datatype_there_and_back(datatype: str, values: list[Any]) -> None:
    echo = Says(lambda x: {"y": x})

    error, outputs, _, _ = said(echo, body(tensor("x", datatype, [len(values)], values)), Spec("y", datatype, (-1,)))

    assert error is None
    [found] = json.loads(outputs[""])["outputs"]
    assert (datatype, values) == (found["datatype"], found["data"])


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name != "BYTES"])
def test_every_datatype_in_binary(datatype: str) -> None:
    size = DATATYPES[datatype][0]
    data = bytes(range(1, 2 * size + 1)) if datatype != "BOOL" else b"\0\1"
    question, meta = binary(("x", datatype, [2], data), parameters={"binary_data_output": True})

    _, outputs, _, told = said(Says(lambda x: {"y": x}), question, Spec("y", datatype, (-1,)), **meta)

    assert data == outputs[""][int(told["json"]) :]


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("UINT8", 256), ("UINT8", -1), ("INT8", 128), ("INT32", 1 << 40), ("UINT64", 1 << 64), ("INT64", 1 << 63),
        ("INT32", 1.5), ("INT32", "1"), ("INT32", None), ("BOOL", 2), ("BOOL", "true"), ("FP32", "1"), ("FP32", {}),
        ("BYTES", 1), ("BYTES", None), ("FP64", 10**400), ("INT32", True), ("BYTES", "\ud800"), ("FP32", [1]),
    ],
)  # fmt: skip
def test_a_value_that_is_not_of_its_type(datatype: str, value: Any) -> None:
    error, _, fault, _ = said(Says({}), body(tensor("x", datatype, [2], [1 if datatype != "BYTES" else "a", value])))

    assert "request" == fault
    assert "'x'" in error or "'data'" in error


def test_what_is_no_number_may_be_written_in_four_ways() -> None:
    question = view(b'{"inputs":[{"name":"x","datatype":"FP32","shape":[4],"data":[NaN,null,"Infinity","-Infinity"]}]}')
    seen: list[Any] = []

    said(Says(lambda x: seen.append(x) or {"y": x}), question)

    assert [True, True, False, False] == [math.isnan(one) for one in seen[0]]
    assert [math.inf, -math.inf] == seen[0].tolist()[2:]


def test_arrays_may_be_written_to() -> None:
    def change(x):
        x += 1
        return {"y": x}

    question, meta = binary(("x", "INT32", [1], b"\1\0\0\0"))
    for given_question, told in ((question, meta), (body(tensor("x", "INT32", [1], [1])), {})):
        _, outputs, _, _ = said(Says(change), given_question, **told)
        assert b'"data":[2]' in outputs[""]


@pytest.mark.parametrize(
    ("given_back", "sentence"),
    [
        ({"y": [[1], [2, 3]]}, "output 'y'"),
        ({"y": np.array([1j])}, "no datatype of the protocol"),
        ({"y": np.array([1.5])}, "output 'y' is FP64, and the model declares it as INT32"),
        ({"z": [1]}, "the model did not return its output 'y'"),
        (None, "NoneType"),
    ],
)
def test_what_a_model_may_not_return(given_back: Any, sentence: str) -> None:
    error, _, fault, _ = said(Says(given_back), body(tensor("x", "INT32", [1], [1])), Spec("y", "INT32", (-1,)))

    assert "model" == fault
    assert sentence in error


class Status(Exception):
    status_code = 422


def test_an_error_may_carry_a_status() -> None:
    def fail(_x):
        raise Status("not like this")

    assert ("not like this", {}, "model", {"status": "422"}) == said(Says(fail), body(tensor("x", "INT32", [1], [1])))


def test_an_output_that_nobody_knows() -> None:
    question = body(tensor("x", "INT32", [1], [1]), outputs=[{"name": "ZZ"}])

    assert "unexpected inference output 'ZZ' for model 'simple'" == said(Says({"y": [1]}), question)[0]


def test_classes() -> None:
    model = Says(lambda x: {"y": x})
    model.labels = {"y": ["apple", "banana"]}
    question = body(tensor("x", "FP32", [3], [9, 8, 10]), outputs=[{"name": "y", "parameters": {"classification": 2}}])

    [found] = json.loads(said(model, question)[1][""])["outputs"]

    assert ("BYTES", [2], ["10.000000:2", "9.000000:0:apple"]) == (found["datatype"], found["shape"], found["data"])


def test_classes_of_texts_are_refused() -> None:
    question = body(tensor("x", "BYTES", [1], ["a"]), outputs=[{"name": "y", "parameters": {"classification": 1}}])

    assert "unsupported type 'BYTES'" in said(Says(lambda x: {"y": x}), question)[0]


def test_an_answer_over_the_limit() -> None:
    wire = Wire()
    [answer] = wire.ask(
        TensorDesk(Says({"y": np.zeros(1_000)}), facts(), wire, 100),
        ("v2-rest", body(tensor("x", "INT32", [1], [1])), {}),
    )
    assert "the limit is 100 bytes" in answer[0]


def file_answer(files: dict[str, bytes], *specs: Spec) -> Any:
    wire = Wire()
    known = Facts("simple", "1", Said(specs, (), 0))
    [answer] = wire.ask(TensorDesk(Says(lambda x: {"y": x}), known, wire, 1 << 20), ("files", files, {}))
    return answer


def test_files_for_a_model_that_takes_tensors() -> None:
    numbers = Spec("x", "FP32", (-1, 2))

    assert {"y": b"[[1.0, 2.0]]"} == file_answer({"x": b"[1, 2]"}, numbers)[1]
    assert {"y": b"[[1.0, 2.0], [3.0, 4.5]]"} == file_answer({"x": b"[[1, 2], [3, 4.5]]"}, numbers)[1]
    assert {"y": b"any\0thing"} == file_answer({"x": b"any\0thing"}, Spec("x", "BYTES", (1,)))[1]
    assert {"y": b"[1, 2]"} == file_answer({"x": b"[1, 2]"})[1]
    assert {"y": b"plain"} == file_answer({"x": b"plain"})[1]

    error, _, fault, _ = file_answer({"x": b"hello"}, numbers)
    assert ("input 'x' should be a JSON array of FP32, nested as [-1, 2]", "request") == (error, fault)
    assert "no input 'z'" in file_answer({"z": b"[1]"}, numbers)[0]
    assert "unexpected shape" in file_answer({"x": b"[1, 2, 3]"}, numbers)[0]


def test_a_file_that_is_a_request() -> None:
    request = bytes(body(tensor("x", "FP32", [1, 2], [1, 2]), id="7"))

    error, outputs, _, _ = file_answer({"request.json": request}, Spec("x", "FP32", (-1, 2)))

    assert error is None
    assert ("7", [1.0, 2.0]) == (
        json.loads(outputs["results.json"])["id"],
        json.loads(outputs["results.json"])["outputs"][0]["data"],
    )


def test_a_refusal_names_the_model_as_its_caller_does() -> None:
    error, _, _, _ = said(
        Says({"y": [1]}), body(tensor("x", "INT32", [1], [1]), outputs=[{"name": "ZZ"}]), model="by its name"
    )
    assert "unexpected inference output 'ZZ' for model 'by its name'" == error
