"""The media type of an output: by its name where the name says it, else by its first bytes."""

import mimetypes

import msgspec

JSON, TEXT, BINARY = "application/json", "text/plain", "application/octet-stream"
_raw = msgspec.json.Decoder(msgspec.Raw)


def media_type(name: str, body: bytes, *, whole: bool = True) -> str:
    """`whole` is false when `body` is only the beginning: then JSON is believed by its name."""
    guessed = by_name(name)
    if guessed == JSON:
        return JSON if not whole or _is_json(body) else _text_or_binary(body, whole=whole)
    if guessed:
        return guessed
    return JSON if whole and _is_json(body) else _text_or_binary(body, whole=whole)


def by_name(name: str) -> str | None:
    if name.endswith(".json"):
        return JSON
    if name.endswith(".txt"):
        return TEXT
    guessed, encoding = mimetypes.guess_type(name, strict=False)
    return guessed if encoding is None else BINARY


def _is_json(body: bytes) -> bool:
    try:
        _raw.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _text_or_binary(body: bytes, *, whole: bool) -> str:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        if whole or error.start < len(body) - 4:  # else the last character is only cut off
            return BINARY
    return BINARY if b"\0" in body else TEXT
