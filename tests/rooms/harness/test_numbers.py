"""Large arrays of numbers are read by simdjson as they are read without it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms.harness.asking import body, facts, tensor, view

from headrace.runners.harness.arrays import array_of
from headrace.runners.harness.numbers import KINDS, LARGE, Numbers
from headrace.runners.harness.tensors import Refused, Spec
from headrace.runners.harness.v2_json import JsonForm

pytest.importorskip("simdjson", reason="pip install pysimdjson orjson")

COUNT = LARGE  # elements: at least a digit and a comma each
ODD = [0, -1, 1, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, -(2**63), 1e39, -1e39, 0.1]
ODD_WORDS = [1.0, 1.5, True, None, "NaN", "1", [], -0.0, 1e400]


@pytest.mark.parametrize("datatype", sorted(KINDS))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_the_same_numbers_or_the_same_refusal(datatype: str, data: st.DataObject) -> None:
    known = facts(Spec("a", datatype, (-1,)))
    values = [1] * COUNT
    for _ in range(data.draw(st.integers(0, 3))):
        values[data.draw(st.integers(0, COUNT - 1))] = data.draw(st.sampled_from(ODD + ODD_WORDS))
    if data.draw(st.booleans()):
        values.pop()
    text = json.dumps({"inputs": [tensor("a", datatype, [COUNT], values)]})
    form, plain = JsonForm(known), JsonForm(known)
    plain._numbers._parser = None  # noqa: SLF001 - as where it is not installed
    for _ in range(2):  # words that are new, and words that are known
        assert said(plain, known, text) == said(form, known, text)


def said(form: JsonForm, known, text: str):
    try:
        request = form.decode(view(text.encode()), {"id": "7"})
        known.check(request)
        [one] = request.inputs
        array = array_of([one], one.shape, "simple")
    except Refused as error:
        return str(error)
    return array.dtype, array.tobytes()


def test_it_is_used() -> None:
    assert isinstance(Numbers().raw(b"[" + b"1," * LARGE + b"1]", "FP32", LARGE + 1), memoryview)
    form = JsonForm(facts(Spec("a", "FP32", (-1,))))
    for _ in range(3):
        request = form.decode(body(tensor("a", "FP32", [COUNT], [0.5] * COUNT)), {})
        assert memoryview is type(request.inputs[0].data)
