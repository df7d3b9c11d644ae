"""Zeros that a model is tried with: never more than is allowed, whatever the model declares."""

import json

import pytest

from headrace.deployment.zeros import completed as made
from headrace.deployment.zeros import planned
from headrace.domain.body import size_of
from headrace.domain.errors import Invalid
from headrace.domain.tensor import TensorModel, TensorSpec

LIMIT = 1_000


def model(*shapes, datatype="FP32", sequences=0):
    inputs = tuple(TensorSpec(f"IN{number}", datatype, shape) for number, shape in enumerate(shapes))
    return TensorModel("echo", inputs, sequences=sequences)


def test_one_request_of_zeros_for_all_inputs():
    [content] = made(model((-1, 2), (3,)), {}, LIMIT).values()
    assert {
        "inputs": [
            {"name": "IN0", "datatype": "FP32", "shape": [1, 2], "data": [0, 0]},
            {"name": "IN1", "datatype": "FP32", "shape": [3], "data": [0, 0, 0]},
        ]
    } == json.loads(content)


@pytest.mark.parametrize(("datatype", "zero"), [("BYTES", "0"), ("BOOL", False), ("INT8", 0)])
def test_a_sequence_is_tried_as_a_whole(datatype, zero):
    [content] = made(model((1,), datatype=datatype, sequences=7), {}, LIMIT).values()
    asked = json.loads(content)
    assert [zero] == asked["inputs"][0]["data"]
    assert {"sequence_id": 1, "sequence_start": True, "sequence_end": True} == asked["parameters"]


def test_zeros_stand_beside_what_was_brought():
    found = made(model((2, 3), (2,), ()), {"IN1": b"[1,2]"}, LIMIT)
    assert {"IN0": [[0] * 3] * 2, "IN1": [1, 2], "IN2": 0} == {name: json.loads(body) for name, body in found.items()}


@pytest.mark.parametrize(
    ("shape", "datatype", "file", "data"),
    [
        ((-1, 2), "FP32", b"[[0,0]]", [0, 0]),
        ((2,), "BOOL", b"[false,false]", [False, False]),
        ((), "INT64", b"0", [0]),
        ((-1, 2), "BYTES", b"0", ["0", "0"]),
        ((0, 10**18), "FP32", b"[]", []),
    ],
)
def test_zeros(shape, datatype, file, data):
    asked = model(shape, (), datatype=datatype)
    assert file == made(asked, {"IN1": b"0"}, LIMIT)["IN0"]
    [content] = made(asked, {}, LIMIT).values()
    assert data == json.loads(content)["inputs"][0]["data"]


@pytest.mark.parametrize("shape", [(2_000_000_000,), (100_000, 100_000), (1_000,), (500, 1)])
@pytest.mark.parametrize("given", [{}, {"IN1": b"0"}])
def test_more_than_a_request_may_have_is_refused_before_it_is_made(shape, given):
    for step in (planned, made):
        with pytest.raises(Invalid, match=r"would be \d+ bytes, and 1000 are allowed.*test_input/request.json"):
            step(model(shape, ()), given, LIMIT)


@pytest.mark.parametrize("datatype", ["FP32", "BOOL", "BYTES"])
@pytest.mark.parametrize("shapes", [((-1, 2),), ((3, 4), (), (0, 7)), ((2,), (0,))])
@pytest.mark.parametrize("given", [{}, {"IN0": b"[1,2]"}])
@pytest.mark.parametrize("sequences", [0, 1])
def test_how_large_they_will_be_is_known_before_they_are_made(datatype, shapes, given, sequences):
    asked = model(*shapes, datatype=datatype, sequences=sequences)
    expected = {name: len(body) for name, body in made(asked, given, LIMIT).items()}
    assert expected == {name: size_of(body) for name, body in planned(asked, given, LIMIT).items()}


def test_what_was_brought_needs_no_zeros():
    assert {"IN0": b"[1]"} == made(model((2_000_000_000,)), {"IN0": b"[1]"}, LIMIT)
