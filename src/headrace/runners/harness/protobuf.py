"""The wire format of protobuf: numbers, and parts with a length."""

# ruff: noqa: PLR2004 - bits and kinds of the format

from __future__ import annotations

import struct
from collections.abc import Iterator

_SHORT = [bytes([number]) for number in range(128)]
WRAP, HALF = 1 << 64, 1 << 63


class Broken(Exception):
    """The bytes are not a message."""


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:  # noqa: C901, PLR0915 - calls cost most
    """Number and value of each field: numbers as they are, unsigned; everything else as its bytes. Raises Broken."""
    place, size = 0, len(message)
    while place < size:
        key = message[place]
        place += 1
        if key > 127:
            key, place = _number(message, place - 1, size)
        kind = key & 7
        if kind == 2:
            if place >= size:
                raise Broken("it ends inside a field")
            length = message[place]
            place += 1
            if length > 127:
                length, place = _number(message, place - 1, size)
            end = place + length
            if end > size:
                raise Broken("it ends inside a field")
            yield key >> 3, message[place:end]
            place = end
        elif kind == 0:
            value, place = _number(message, place, size)
            yield key >> 3, value
        elif kind in (1, 5):
            end = place + (8 if kind == 1 else 4)
            if end > size:
                raise Broken("it ends inside a field")
            yield key >> 3, message[place:end]
            place = end
        else:
            raise Broken(f"a field of the unknown kind {kind}")


def _number(message: memoryview, place: int, size: int) -> tuple[int, int]:
    value = shift = 0
    while place < size and shift < 70:
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value % WRAP, place
        shift += 7
    raise Broken("it ends inside a number" if place >= size else "a number of more than ten bytes")


def packed(message: memoryview) -> list[int]:
    """Numbers back to back."""
    values, place, size = [], 0, len(message)
    while place < size:
        value = message[place]
        place += 1
        if value > 127:
            value, place = _number(message, place - 1, size)
        values.append(value)
    return values


def packed_fixed(message: memoryview, code: str, size: int) -> list[float]:
    if len(message) % size:
        raise Broken("it ends inside a number")
    return list(struct.unpack(f"<{len(message) // size}{code}", message))


def signed(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise Broken("a message where a number should be")
    return value - WRAP if value >= HALF else value


def text(value: int | memoryview) -> str:
    if isinstance(value, int):
        raise Broken("a number where a text should be")
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise Broken("a text that is not UTF-8") from None


def varint(value: int) -> bytes:
    if value < 128:
        return _SHORT[value]
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def delimited(number: int, length: int) -> bytes:
    """The beginning of a field of `length` bytes."""
    if number < 16 and length < 128:  # as nearly all: two bytes
        return bytes((number << 3 | 2, length))
    return varint(number << 3 | 2) + varint(length)


def text_field(number: int, value: str) -> bytes:
    """Empty for an empty text, as protobuf leaves it out."""
    data = value.encode(errors="replace")
    return delimited(number, len(data)) + data if data else b""
