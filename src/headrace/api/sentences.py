"""JSON and queries -> typed structs; what msgspec dislikes becomes a sentence: where, what is wrong, what is right."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec

from headrace.domain.errors import Invalid

T = TypeVar("T")

_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<key>key in )?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_EXPECTED = re.compile(r"^Expected `(?P<right>[^`]*)`, got `(?P<wrong>[^`]*)`$")
_RULE = re.compile(r"^Expected `(?P<right>[^`]*)`(?P<rule> .*)$")
_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]*)`$")
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def decode(raw: bytes, kind: type[T], *, what: str = "body") -> T:
    """Raises Invalid."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise Invalid(_sentence(str(error), what)) from None
    except msgspec.DecodeError as error:
        raise Invalid(_malformed(raw, str(error), what)) from None
    except UnicodeDecodeError:
        raise Invalid(f"the {what} is not UTF-8") from None
    except RecursionError:
        raise Invalid(f"the {what} is nested too deeply") from None


def convert(value: Mapping[str, Any], kind: type[T], *, what: str) -> T:
    """Text values as a query string has them, made into the numbers and truth values that `kind` wants."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(_sentence(str(error), what)) from None


def check_spelling(raw: bytes, known: frozenset[str], *, what: str = "body") -> None:
    """Keys that nobody knows are ignored, except when one looks like a known key that is absent: that is a slip."""
    keys = decode(raw, dict[str, msgspec.Raw], what=what).keys()
    for key in keys - known:
        if match := get_close_matches(key, sorted(known - keys), n=1, cutoff=0.8):
            raise Invalid(f"the {what} has the unknown key `{key}`: did you mean `{match[0]}`?")


def _malformed(raw: bytes, text: str, what: str) -> str:
    if not raw.strip():
        return f"the {what} is empty; it should be a JSON object"
    if "truncated" in text:
        return f"the {what} is not valid JSON: it ends too early"
    return f"the {what} is not valid JSON: {text.removeprefix('JSON is malformed: ')}"


def _sentence(text: str, what: str) -> str:
    found = _PLACE.match(text)
    problem, path = (found["what"], found["path"] or "") if found else (text, "")
    place = f"`{path.lstrip('.')}`" if path else f"the {what}"
    if found and found["key"]:
        place = f"a key of {place}"
    if match := _MISSING.match(problem):
        return f"{place} lacks `{match['name']}`"
    if match := _EXPECTED.match(problem):
        return f"{place} should be {_words(match['right'])}, but is {_words(match['wrong'])}"
    if match := _RULE.match(problem):
        return f"{place} should be {_words(match['right'])}{match['rule']}"
    return f"{place}: {problem[:1].lower()}{problem[1:]}"


def _words(kinds: str) -> str:
    return " or ".join(_WORDS.get(kind, kind) for kind in kinds.split(" | "))
