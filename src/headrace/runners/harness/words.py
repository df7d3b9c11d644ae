"""Requests whose words are known: only their numbers are new, and only those are read and checked.

Clients ask again and again in the same words: names, datatypes, shapes. Of a request with one tensor everything around
the tensor's data is remembered together with what it means; a request with the same bytes around other data means the
same with other data. Requests with an id of their own are not remembered: their words are new each time.
"""

from __future__ import annotations

import math
from typing import Any

from headrace.runners.harness.tensors import DATATYPES, Input, Request

Plain = tuple[str, str, Any]  # name, datatype and array of an output

LONGEST, KEPT = 2_048, 256  # bytes of such words, and how many of them
_DATA, _OPEN, _CLOSE, _QUOTE = b'"data"', b"[", b"]", b'"'


class Words:
    """`good`: a request in these words was checked against the model, and only the number of its elements is open."""

    __slots__ = ("count", "first", "good", "plan", "size")

    def __init__(self, first: Request) -> None:
        one = first.inputs[0]
        self.first = Request("", [_without_data(one)], first.outputs, first.parameters)
        self.first.binary, self.first.typed, self.first.model = first.binary, first.typed, first.model
        self.good = False
        self.plan: Any = None  # see quick.py
        self.count = math.prod(one.shape)
        self.size = self.count * DATATYPES[one.datatype][0]

    def fits(self, data: Any) -> bool:
        """Whether data have as many elements as the shape says. Those with sizes of their own are counted later."""
        return len(data) == (self.count if type(data) is list else self.size or len(data))

    def again(self, data: Any, one_id: str) -> Request:
        """The same request, with other data."""
        first = self.first
        one = first.inputs[0]
        request = Request(
            one_id, [Input(one.name, one.datatype, one.shape, data, one.parameters)], first.outputs, first.parameters
        )
        request.binary, request.typed, request.model, request.words = first.binary, first.typed, first.model, self
        return request


def _without_data(one: Input) -> Input:
    return Input(one.name, one.datatype, one.shape, None, one.parameters)


def words_of(first: Request, sizes: list[int]) -> Words | None:
    """Of a request whose one tensor follows in so many bytes; None: it has others, or they cannot be its own."""
    words = Words(first) if len(sizes) == 1 else None
    return words if words is not None and words.size == sizes[0] else None


class JsonWords:
    """Of JSON: everything but the one flat array of numbers behind the one `"data"`.

    Without a backslash that word can stand in no other place: neither inside a text nor spelled in another way. And an
    array without quotes and brackets inside cannot end anywhere else.
    """

    def __init__(self) -> None:
        self._kept: dict[bytes, Words] = {}
        self._last: tuple[bytes, bytes, Words] | None = None  # up to the array, behind it, what they mean

    def split(self, text: bytes) -> tuple[bytes, bytes, int] | None:
        """The words, the data, and where in the words they stood."""
        start = text.find(_OPEN, text.find(_DATA))
        end = text.find(_CLOSE, start) + 1
        if start < len(_DATA) or not end or len(text) - (end - start) > LONGEST:
            return None
        data = text[start:end]
        if data.find(_OPEN, 1) >= 0 or data.find(_QUOTE) >= 0:
            return None
        return text[:start] + text[end:], data, start

    def find(self, words: bytes) -> Words | None:
        return self._kept.get(words)

    def known(self, text: bytes) -> tuple[Words, bytes] | None:
        """The words of a request that are known, and what stands in place of its data: mostly a flat array of numbers.

        The same as `split` and `find`, for less. Whoever reads it sees whether it is one.
        """
        if self._last is not None:
            before, behind, same = self._last
            if text.startswith(before) and text.endswith(behind):
                return same, text[len(before) : len(text) - len(behind)]
        parts = self.split(text)
        words = None if parts is None else self.find(parts[0])
        if parts is None or words is None:
            return None
        _, data, start = parts
        self._last = (text[:start], text[start + len(data) :], words)
        return words, data

    def keep(self, words: bytes, request: Request) -> None:
        """`request` was read from these words with some data; there is no id among them."""
        if len(request.inputs) != 1 or type(request.inputs[0].data) is not list or not alone(words):
            return
        if len(self._kept) >= KEPT:
            self._kept.clear()
        request.words = self._kept[words] = Words(request)


def flat(data: bytes) -> bool:
    """Whether an array of JSON, if it is one, holds neither arrays nor texts, and ends with `data`."""
    return data.find(_CLOSE) == len(data) - 1 and data.find(_OPEN, 1) < 0 and data.find(_QUOTE) < 0


def alone(words: bytes) -> bool:
    """Whether the array that was taken out of these words can only have been the data of a tensor."""
    return b"\\" not in words and words.count(_DATA) == 1


class ProtoWords:
    """Of a ModelInferRequest: everything before the bytes of its one raw tensor, which stand at the end."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[int, bytes, Words]] = {}  # by the length of the message

    def find(self, message: Any, _meta: Any = None) -> tuple[Words, int] | None:
        """The words of a message, a bytearray or a memoryview, and where its tensor begins."""
        kept = self._kept.get(len(message))
        if kept is None:
            return None
        start, before, words = kept
        same = message.startswith(before) if type(message) is bytearray else message[:start] == before
        return (words, start) if same else None

    def keep(self, message: memoryview, request: Request) -> None:
        """The data of its first input stand at the end of `message`, it has no other raw ones, and no id."""
        start = len(message) - len(request.inputs[0].data)
        if len(request.inputs) != 1 or start > LONGEST:
            return
        if len(self._kept) >= KEPT:
            self._kept.clear()
        request.words = Words(request)
        self._kept[len(message)] = (start, bytes(message[:start]), request.words)
