"""JSON whose numbers may be bare NaN and Infinity, as the protocol takes them (contracts/oip.md, A7)."""

import json
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_encode = json.JSONEncoder(separators=(",", ":")).encode


def decode(raw: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Raises as the decoder does."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if not _is_bare(raw):
            raise
        try:
            found = json.loads(raw.decode())
        except ValueError:
            found = None
        if found is None:
            raise
        return msgspec.convert(found, decoder.type)


def encode(value: Any, like: bytes) -> bytes:
    """`like`: the JSON that the numbers are from."""
    return _encode(value).encode() if _is_bare(like) else msgspec.json.encode(value)


def _is_bare(raw: bytes) -> bool:
    """Perhaps: the words may also stand in a text."""
    return b"NaN" in raw or b"Infinity" in raw
