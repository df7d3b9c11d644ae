"""What is wrong with a body is told in a sentence: where, what, and what would be right."""

import msgspec
import pytest

from headrace.api import sentences
from headrace.domain.errors import Invalid


class Inner(msgspec.Struct):
    identifier: str


class Body(msgspec.Struct, rename="camel"):
    model: Inner
    time_out: int | None = None
    rows: list[Inner] = []
    count: int = msgspec.field(default=0)


class Query(msgspec.Struct, rename={"per_page": "per-page"}):
    per_page: int | None = None
    active: bool | None = None


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "the body is empty; it should be a JSON object"),
        (b"  ", "the body is empty; it should be a JSON object"),
        (b'{"model":', "the body is not valid JSON: it ends too early"),
        (b"{model}", "the body is not valid JSON: object keys must be strings (byte 1)"),
        (b"[]", "the body should be an object, but is a list"),
        (b"{}", "the body lacks `model`"),
        (b'{"model":{}}', "`model` lacks `identifier`"),
        (b'{"model":{"identifier":1}}', "`model.identifier` should be text, but is a whole number"),
        (
            b'{"model":{"identifier":"a"},"timeOut":1.5}',
            "`timeOut` should be a whole number or null, but is a number",
        ),
        (b'{"model":{"identifier":"a"},"rows":[{}]}', "`rows[0]` lacks `identifier`"),
        (b'{"model":{"identifier":"\xff"}}', "the body is not UTF-8"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "the body is nested too deeply"),
    ],
)
def test_a_body_that_is_wrong(raw, sentence):
    with pytest.raises(Invalid) as told:
        sentences.decode(raw, Body)
    assert sentence == told.value.message


def test_a_body_that_is_right():
    assert Body(Inner("a"), time_out=3) == sentences.decode(b'{"model":{"identifier":"a"},"timeOut":3,"x":1}', Body)


def test_a_query_is_text_and_becomes_numbers_and_truth():
    assert Query(3, active=True) == sentences.convert({"per-page": "3", "active": "True"}, Query, what="query")
    with pytest.raises(Invalid, match="`per-page` should be a whole number or null, but is text"):
        sentences.convert({"per-page": "many"}, Query, what="query")


def test_a_slip_in_a_key_is_found_and_strangers_are_ignored():
    known = frozenset({"model", "input"})
    sentences.check_spelling(b'{"model":1,"weather":2}', known)
    sentences.check_spelling(b'{"model":1,"input":2,"inputs":3}', known)
    with pytest.raises(Invalid, match="unknown key `inputs`: did you mean `input`"):
        sentences.check_spelling(b'{"model":1,"inputs":2}', known)
