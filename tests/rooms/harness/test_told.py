"""What a door tells a replica beside the body: headers that the model may see, and numbers written as Triton does."""

import json
import math

import pytest
from rooms.harness.asking import Said, Wire, body, facts, proto, tensor

from headrace.runners.harness.adapters.adapter import Adapter
from headrace.runners.harness.adapters.triton_requests import InferenceRequest
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.tensor_desk import TensorDesk
from headrace.runners.harness.tensors import Column, Output, Reply, Request, Spec
from headrace.runners.harness.v2_json import JsonForm

np = pytest.importorskip("numpy", reason="pip install numpy")

VALUES = [1.5, math.nan, math.inf, -math.inf]
SEEN = {"id": "7", "headers": json.dumps({"x-user": "ann"})}


class Parameters(Adapter):
    """Remembers what it was told, and gives back what it got."""

    def __init__(self) -> None:
        self.inputs, self.outputs = (Spec("a", "FP32", (-1, 1)),), (Spec("y", "FP32", (-1, 1)),)
        self.told = []

    def run(self, arrays, asked, /):
        self.told.append(asked.parameters)
        return {"y": arrays["a"]}


def asked(*questions):
    wire, model = Wire(), Parameters()
    desk = TensorDesk(model, Facts("simple", "1", Said(model.inputs, model.outputs, rows=8)), wire, 10_000)
    return [wire.ask(desk, question) for question in questions], model.told


JSON = bytes(body(tensor("a", "FP32", [1, 1], [1])))
PROTO = bytes(proto(("a", "FP32", [1, 1], bytes(4))))


@pytest.mark.parametrize(("form", "given"), [("v2-rest", JSON), ("v2-grpc", PROTO)])
def test_a_model_sees_the_headers_of_its_own_request_and_of_no_other(form, given):
    other = SEEN | {"headers": json.dumps({"x-user": "bob"})}
    plain = {"id": "7"}

    answers, told = asked(*[(form, given, meta) for meta in (plain, plain, SEEN, SEEN, other, plain)])

    ann, bob = {"headers": {"x-user": "ann"}}, {"headers": {"x-user": "bob"}}
    assert [{}, {}, ann, ann, bob, {}] == told
    assert [None] * 6 == [answer[0][0] for answer in answers]


def test_a_body_cannot_tell_headers():
    given = bytes(body(tensor("a", "FP32", [1, 1], [1]), parameters={"n": 1, "headers": {"x-user": "eve"}}))

    _, told = asked(("v2-rest", given, SEEN))

    assert [{"n": 1, "headers": {"x-user": "ann"}}] == told


def test_in_tritons_requests_they_are_parameters_of_their_own_names():
    given = InferenceRequest.given([], "7", {"n": 1, "headers": {"x-user": "ann"}, "timeout": 5}, ["y"])

    assert ({"n": 1, "x-user": "ann"}, 5) == (json.loads(given.parameters()), given.timeout())


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "FP16", "BF16"])
def test_what_is_not_finite_is_null_or_bare(datatype):
    form, request = JsonForm(facts()), Request("7", [])
    array = np.array(VALUES, "<f2" if datatype == "FP16" else "<f8" if datatype == "FP64" else "<f4")
    output = Output(Column("y", datatype, array), (4,), 0, 4, None)

    null, _ = form.encode(Reply(request, [output]), {})
    bare, _ = form.encode(Reply(request, [output]), {"bare": "1"})

    assert [1.5, None, None, None] == json.loads(null)["outputs"][0]["data"]
    assert b'"data":[1.5,NaN,Infinity,-Infinity]' in bare


def test_the_shortest_way_writes_them_alike():
    given = bytes(body(tensor("a", "FP32", [2, 1], VALUES[:2])))

    answers, _ = asked(*[("v2-rest", given, {"id": "7", "bare": "1"})] * 3)

    assert {True} == {b'"data":[1.5,NaN]' in answer[0][1][""] for answer in answers}
