"""The text form of protobuf, as config.pbtxt is written: as much of it as is met there."""

from __future__ import annotations

import ast
import re
from typing import Any

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<word>[A-Za-z_][\w.]*)"""
    r"""|(?P<number>[-+]?[\d.][\w.+-]*)|(?P<sign>[{}\[\]<>:,;])"""
)
DEEPEST = 50
OPEN = {"{": "}", "<": ">"}


class Unreadable(ValueError):
    """The text is not in this form."""


class Reader:
    """Fields that stand more than once, and lists, become lists; words stay texts, but for true and false."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = list(_tokens(text))
        self._place = 0

    def message(self, end: str = "", depth: int = 0) -> dict[str, Any]:
        if depth > DEEPEST:
            raise Unreadable("messages in each other, too deep")
        found: dict[str, Any] = {}
        while self._place < len(self._tokens):
            kind, word = self._next()
            if kind == "sign" and word in (",", ";"):
                continue
            if word == end and kind == "sign":
                return found
            if kind != "word":
                raise Unreadable(f"{word!r} where the name of a field should be")
            _put(found, word, self._field(depth))
        if end:
            raise Unreadable(f"the end comes before {end!r}")
        return found

    def _field(self, depth: int) -> Any:
        kind, word = self._next()
        if (kind, word) == ("sign", ":"):
            kind, word = self._next()
        return self._value(kind, word, depth)

    def _value(self, kind: str, word: str, depth: int) -> Any:
        if kind == "sign" and word in OPEN:
            return self.message(OPEN[word], depth + 1)
        if (kind, word) == ("sign", "["):
            return self._list(depth)
        return _plain(kind, word)

    def _list(self, depth: int) -> list[Any]:
        values: list[Any] = []
        while True:
            kind, word = self._next()
            if (kind, word) == ("sign", "]"):
                return values
            if (kind, word) != ("sign", ","):
                values.append(self._value(kind, word, depth + 1))

    def _next(self) -> tuple[str, str]:
        if self._place >= len(self._tokens):
            raise Unreadable("it ends in the middle")
        self._place += 1
        return self._tokens[self._place - 1]


def _tokens(text: str) -> Any:
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise Unreadable(f"{text[place : place + 20]!r} is not understood")
        place = match.end()
        if match.lastgroup:
            yield match.lastgroup, match[0]


def _plain(kind: str, word: str) -> Any:
    if kind == "text":
        return ast.literal_eval(word)
    if kind == "number":
        try:
            return int(word, 0) if "." not in word and "e" not in word.lower() else float(word)
        except ValueError:
            raise Unreadable(f"{word!r} is no number") from None
    if kind == "word":
        return {"true": True, "false": False}.get(word, word)
    raise Unreadable(f"{word!r} where a value should be")


def _put(found: dict[str, Any], name: str, value: Any) -> None:
    if name not in found:
        found[name] = value
        return
    before = found[name] if isinstance(found[name], list) else [found[name]]
    found[name] = [*before, *(value if isinstance(value, list) else [value])]


def as_list(value: Any) -> list[Any]:
    """What may stand once, more than once, or not at all."""
    return value if isinstance(value, list) else [] if value is None else [value]
