"""Identifiers: their shapes, and the order of semantic versions."""

import random
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.domain.errors import Invalid
from headrace.domain.ids import check_version, new_id, new_job_id, new_model_id, version_order


def test_model_ids_have_ten_letters_and_digits_and_do_not_repeat():
    made = {new_model_id() for _ in range(500)}

    assert 500 == len(made)
    assert all(re.fullmatch(r"[a-z][a-z0-9]{9}", one) for one in made)


def test_job_ids_are_uuids():
    assert uuid.UUID(new_job_id()).version == 4
    assert uuid.UUID(new_id()).version == 4


@pytest.mark.parametrize(
    "text", ["0.0.1", "1.0.0", "10.20.30", "1.0.0-rc.1", "1.0.0-0a.b-c", "1.0.0+build.7", "1.0.0-a+b"]
)
def test_semantic_versions_are_taken(text):
    assert text == check_version(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.0",
        "v1.0.0",
        "1.0.0.0",
        "01.0.0",
        "1.0.0-",
        "1.0.0-a..b",
        "1.0.0\n",
        "1.0.0-01",
        "1.1٣.0",
        " 1.0.0",
        "1.0.٣",
        "1.0." + "1" * 70,
    ],
)
def test_other_versions_are_refused_with_an_example(text):
    with pytest.raises(Invalid, match=r"write it like 1\.0\.0"):
        check_version(text)


def test_versions_are_ordered_as_semver_org_says():
    ordered = [
        "0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
        "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0",
    ]  # fmt: skip
    shuffled = random.Random(1).sample(ordered, len(ordered))

    assert ordered == sorted(shuffled, key=version_order)


def test_build_metadata_does_not_order():
    assert version_order("1.0.0+a") == version_order("1.0.0+b")


_PARTS = st.integers(0, 999).map(str) | st.from_regex(r"[0-9A-Za-z-]{1,5}", fullmatch=True).filter(
    lambda part: not (part.isdigit() and part.startswith("0"))
)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.lists(_PARTS, max_size=3)), max_size=8))
def test_any_versions_can_be_ordered(parts):
    versions = [f"{major}.{minor}.0" + (f"-{'.'.join(pre)}" if pre else "") for major, minor, pre in parts]

    assert sorted(map(version_order, map(check_version, versions))) is not None
