"""Requests in words that are known mean what they would mean to somebody who has never heard them."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms.harness.asking import body, facts, field, floats, proto, tensor, view
from rooms.harness.test_mutated import changed

from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.tensors import Refused, Request, Spec
from headrace.runners.harness.v2_json import JsonForm
from headrace.runners.harness.v2_proto import ProtoForm

FLOATS = facts(Spec("a", "FP32", (-1, 2)), max_batch_size=4)
META = {"id": "7"}
JSON_BODIES = [
    bytes(body(tensor("a", "FP32", [1, 2], [1, 2.5]))),
    bytes(body(tensor("a", "FP32", [2, 2], [1, -2.5, 3e10, 4]))),
    bytes(body(tensor("a", "FP32", [1, 2], [1, 2.5]), parameters={"data": 5})),
    bytes(body(tensor("a", "FP32", [1, 2], [[1, 2.5]]))),
    bytes(body(tensor("a", "FP32", [1, 2], [1, 2.5]), id="own")),
    bytes(body(tensor("a", "FP32", [1, 2], ["NaN", None]))),
]
PROTO_BODIES = [
    bytes(proto(("a", "FP32", [1, 2], floats(1, 2)))),
    bytes(proto(("a", "FP32", [2, 2], floats(1, 2, 3, 4)))),
    bytes(proto(("a", "FP32", [1, 2], floats(3, 4)), one_id="own")),
    bytes(proto(("a", "FP32", [1, 2], floats(3, 4)), more=field(6, field(1, "y")))),
]


def said(form: JsonForm | ProtoForm, known: Facts, data: bytes) -> Any:
    """What the model would see, or why it sees nothing."""
    try:
        request = form.decode(view(data), META)
        known.check(request)
    except Refused as error:
        return str(error), error.kind
    return [
        *(getattr(request, name) for name in ("outputs", "parameters", "binary", "typed", "model")),
        *_inputs(request),
    ]


def _inputs(request: Request) -> list[Any]:
    assert request.id in {"7", "own"} or request.id_given
    return [
        (
            one.name,
            one.datatype,
            one.shape,
            one.parameters,
            repr(one.data if type(one.data) is list else bytes(one.data)),
        )
        for one in request.inputs
    ]


@pytest.mark.parametrize(("form", "bodies"), [(JsonForm, JSON_BODIES), (ProtoForm, PROTO_BODIES)])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_memory_changes_nothing(form: type[Any], bodies: list[bytes], seed: int) -> None:
    chance = random.Random(seed)
    remembers = form(FLOATS)
    for _ in range(40):
        data = chance.choice(bodies)
        if chance.random() < 0.5:
            data = changed(data, chance)
        assert said(form(FLOATS), FLOATS, data) == said(remembers, FLOATS, data)


def test_the_same_words_are_not_read_again() -> None:
    form = JsonForm(FLOATS)
    first, second = (form.decode(view(data), META) for data in JSON_BODIES[:1] * 2)
    other = form.decode(body(tensor("a", "FP32", [1, 2], [5, 6])), META)

    assert first.words is second.words is other.words is not None
    assert [5, 6] == other.inputs[0].data


def test_other_words_around_the_same_numbers_are_others() -> None:
    """The word `data` inside a parameter must not be taken for the tensor's."""
    form = JsonForm(facts(Spec("a", "FP32", (-1,))))
    text = '{{"parameters":{{"data":[{}]}},"inputs":[{{"name":"a","shape":[2],"datatype":"FP32","data":[{}]}}]}}'
    for data in ([1, 2], [3, 4]):
        numbers = ",".join(map(str, data))
        request = form.decode(view(text.format(numbers, "1,2").encode()), META)
        assert ([1, 2], {"data": data}) == (request.inputs[0].data, request.parameters)


def test_words_are_good_only_once_they_were_checked() -> None:
    form = JsonForm(FLOATS)
    for _ in range(2):
        with pytest.raises(Refused, match="unexpected shape"):
            FLOATS.check(form.decode(body(tensor("a", "FP32", [1, 3], [1, 2, 3])), META))


def test_known_words_with_too_few_numbers() -> None:
    form = JsonForm(FLOATS)
    for _ in range(2):
        FLOATS.check(form.decode(body(tensor("a", "FP32", [1, 2], [1, 2])), META))
    with pytest.raises(Refused, match="does not match true shape"):
        FLOATS.check(form.decode(body(tensor("a", "FP32", [1, 2], [1])), META))
