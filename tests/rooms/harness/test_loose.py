"""What a model of MLServer takes because MLServer does, and a model of another format does not."""

from typing import Any

import pytest
from rooms.harness.asking import Said, body, field, tensor, view

from headrace.runners.harness.loose import Loose
from headrace.runners.harness.model_facts import Facts
from headrace.runners.harness.tensors import Refused, Request, elements
from headrace.runners.harness.v2_json import JsonForm
from headrace.runners.harness.v2_proto import ProtoForm

ODD = [
    tensor("x", "BYTES", [5], ["hello"]),
    tensor("x", "BYTES", [2, 11], ["one", "two"]),
    tensor("x", "BYTES", [1], "hello"),
    tensor("x", "FP32", [1], 1.5),
    tensor("x", "BYTES", [2], ["a", None]),
    tensor("x", "FP32", [-1, 2], [1, 2, 3, 4]),
    tensor("x", "FP32", [-1, 2], [[1, 2], [3, 4]]),
]
WRONG = [
    tensor("x", "FP32", [2], [1]),
    tensor("x", "FP32", [-1, 3], [1, 2]),
    tensor("x", "FP32", [-1, -1], [1, 2]),
    tensor("x", "BYTES", [1], [7]),
    tensor("x", "BYTES", [-2], ["a"]),
]


def facts(*, loose: bool) -> Facts:
    said = Said(strict=False)
    said.loose = loose
    return Facts("simple", "1", said)


def taken(form: JsonForm | ProtoForm, one: Facts, message: memoryview) -> Request:
    request = form.decode(message, {})
    one.check(request)
    return request


@pytest.mark.parametrize("one", ODD, ids=repr)
def test_mlserver_takes_what_triton_refuses(one: dict[str, Any]) -> None:
    strict, loose = facts(loose=False), facts(loose=True)
    with pytest.raises(Refused):
        elements_of(taken(JsonForm(strict), strict, body(one)).inputs[0])
    form = JsonForm(loose)
    for _ in range(3):  # also when its words are known
        [found] = taken(form, loose, body(one)).inputs
        elements_of(found)
        if isinstance(found, Loose):
            assert (tuple(one["shape"]), one["data"]) == (found.said_shape, found.said_data)
        elif -1 in one["shape"]:
            assert ((2, 2), [1, 2, 3, 4]) == (found.shape, found.data)


def elements_of(one: Any) -> None:
    """As a model would get them."""
    if one.datatype == "BYTES":
        elements(one, "simple")


@pytest.mark.parametrize("one", WRONG, ids=repr)
def test_what_cannot_be_right_is_refused_by_both(one: dict[str, Any]) -> None:
    for found in (facts(loose=False), facts(loose=True)):
        with pytest.raises(Refused):
            elements_of(taken(JsonForm(found), found, body(one)).inputs[0])


def test_known_words_with_another_number_of_texts() -> None:
    found = facts(loose=True)
    form = JsonForm(found)
    counts = [len(taken(form, found, body(tensor("x", "BYTES", [2], data))).inputs[0].data) for data in (
        ["a", "b"], ["a", "b"], ["a"], ["a", None], ["a", "b", "c"],
    )]  # fmt: skip
    assert [2, 2, 1, 2, 3] == counts


def test_texts_over_grpc_that_count_their_letters() -> None:
    contents = field(5, field(8, b"hello"))
    message = view(field(5, field(1, "x") + field(2, "BYTES") + field(3, 5) + contents))
    strict, loose = facts(loose=False), facts(loose=True)
    with pytest.raises(Refused, match="has 1 values in its contents, but 5 by its shape"):
        taken(ProtoForm(strict), strict, message)
    [one] = taken(ProtoForm(loose), loose, message).inputs
    assert ((1,), (5,), [b"hello"]) == (one.shape, one.said_shape, one.data)


def test_no_id_may_be_said_by_null_everywhere() -> None:
    found = facts(loose=False)
    assert taken(JsonForm(found), found, body(tensor("x", "FP32", [1], [1]), id=None)).id
    with pytest.raises(Refused, match="Unable to parse 'id'"):
        taken(JsonForm(found), found, body(tensor("x", "FP32", [1], [1]), id=0))
