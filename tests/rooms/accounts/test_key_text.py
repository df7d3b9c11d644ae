"""The text of keys: form, checksum, and messages that never give a body away."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.accounts import key_text
from headrace.domain.errors import Unauthenticated

LETTERS = string.ascii_letters + string.digits


def test_a_new_key_has_the_form_that_scanners_look_for():
    text = f"{key_text.new_prefix()}.{key_text.new_body()}"

    assert re.fullmatch(r"[A-Za-z0-9]{20}\.[A-Za-z0-9]{38}", text)
    assert text.split(".") == list(key_text.split(text))


def test_bodies_do_not_repeat():
    assert 1000 == len({key_text.new_body() for _ in range(1000)})


def test_a_new_body_has_its_checksum_and_a_typo_breaks_it():
    body = key_text.new_body()

    assert key_text.has_checksum(body)
    for place in (0, 15, 31, 32, 37):
        other = "x" if body[place] != "x" else "y"
        assert not key_text.has_checksum(body[:place] + other + body[place + 1 :])


@given(st.text(LETTERS, max_size=60))
def test_other_texts_have_no_checksum(body):
    assert not key_text.has_checksum(body)  # 1 in 4 billion of the right length would


def test_keys_of_the_modzy_platform_are_well_formed():
    assert ("JbFkWZMx4Ea3epIrxSgA", "a2fR36fZi3sdFPoztAXT") == key_text.from_header(
        "ApiKey JbFkWZMx4Ea3epIrxSgA.a2fR36fZi3sdFPoztAXT"
    )


@pytest.mark.parametrize("scheme", ["ApiKey", "apikey", "APIKEY", "Bearer", "bearer"])
def test_the_scheme_is_taken_in_any_letter_case(scheme):
    assert ("a" * 20, "b" * 38) == key_text.from_header(f" {scheme}  {'a' * 20}.{'b' * 38} ")


SECRET = "S3cr3tS3cr3tS3cr3tS3cr3t"


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (None, "no access key was sent"),
        ("", "no access key was sent"),
        ("   ", "no access key was sent"),
        (SECRET, "names neither ApiKey nor Bearer"),
        (f"prefix.{SECRET}", "names neither ApiKey nor Bearer"),
        (f"Basic {SECRET}", "names neither ApiKey nor Bearer"),
        ("ApiKey", "not of the form"),
        (f"ApiKey {SECRET}", "not of the form"),
        (f"ApiKey prefix12.{SECRET}.more", "not of the form"),
        (f"ApiKey prefix12.{SECRET}é", "not of the form"),
        (f"ApiKey prefix12. {SECRET}", "not of the form"),
        (f"ApiKey prefix12.{SECRET}\n", None),
        (f"ApiKey {'p' * 70}.{SECRET}", "not of the form"),
        (f"ApiKey prefix12.{'b' * 300}", "not of the form"),
        ("ApiKey prefix12.short", "not of the form"),
    ],
)
def test_a_bad_header_is_told_how_it_should_be_and_never_repeated(header, says):
    if says is None:
        assert ("prefix12", SECRET) == key_text.from_header(header)
        return
    with pytest.raises(Unauthenticated, match=says) as error:
        key_text.from_header(header)

    assert "Authorization: ApiKey prefix.body" in error.value.message
    assert SECRET not in error.value.message


@given(st.text(max_size=80) | st.text(LETTERS + ". ", max_size=80).map("ApiKey ".__add__))
def test_any_header_is_a_key_or_unauthenticated(header):
    try:
        prefix, body = key_text.from_header(header)
    except Unauthenticated as error:
        assert error.message  # noqa: PT017 - either way is right
    else:
        assert header.strip().endswith(f"{prefix}.{body}")


def test_the_hash_depends_on_pepper_and_body():
    assert 3 == len({key_text.digest(p, b) for p, b in [(b"1", "a"), (b"2", "a"), (b"1", "b")]})
    assert 32 == len(key_text.digest(b"1", "a"))
