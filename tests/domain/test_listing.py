"""Filters and pages of lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.domain.errors import Invalid
from headrace.domain.listing import CAP, Filter, Page


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", "anything"),
        ("sent", "Sentiment Analysis"),
        ("ANALYSIS", "Sentiment Analysis"),
        ("cat,dog", "my dog"),
        ("my;dog", "my dog"),
        ("my;cat,dog", "my dog"),
        ("Colors, Textures", "colors, textures and patterns"),
        ("straße", "Hauptstrasse"),
        (",", "x"),
        (";;", "x"),
    ],
)
def test_a_filter_takes(text, value):
    assert Filter(text).takes(value)


@pytest.mark.parametrize(("text", "value"), [("cat", "dog"), ("my;cat", "my dog"), ("a,b", "c"), ("x", "")])
def test_a_filter_refuses(text, value):
    assert not Filter(text).takes(value)


@given(st.text(), st.text(), st.text())
def test_a_part_of_the_text_is_always_enough(before, part, after):
    assert Filter(part).takes(before + part + after) or part.casefold() not in (before + part + after).casefold()


def test_pages_follow_each_other():
    found = list(range(25))

    assert [10, 10, 5, 0] == [len(Page(number, 10).of(found)) for number in (1, 2, 3, 4)]
    assert found == [item for number in (1, 2, 3) for item in Page(number, 10).of(found)]


@pytest.mark.parametrize(("number", "size"), [(0, 10), (-1, 10), (1, 0), (1, CAP + 1)])
def test_pages_that_do_not_exist_are_refused(number, size):
    with pytest.raises(Invalid):
        Page(number, size)
