"""The text of a key: made, taken apart, checked, hashed. Nothing here ever puts a body into a message.

`prefix.body`: 20 letters and digits, a dot, 38 letters and digits. The last 6 of the body are the CRC-32 of the others
in base 62, so that a scanner for leaked secrets, or we, can tell a mistyped key from an unknown one without a database.
The body is random, so a keyed hash is enough to store it (OWASP ASVS 6.5.2): no slow password hash per request.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib

from headrace.domain.errors import Unauthenticated

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_PREFIX, _RANDOM, _CHECK = 20, 32, 6
BODY = _RANDOM + _CHECK
_KEY = re.compile(r"([A-Za-z0-9]{8,64})\.([A-Za-z0-9]{20,256})")  # 20: the bodies of keys that other platforms made
FORM = "8 to 64 letters or digits, a dot, 20 to 256 letters or digits"
_SCHEMES = frozenset({"apikey", "bearer"})
_HOW = "send the header Authorization: ApiKey prefix.body"


def new_prefix() -> str:
    return _random(_PREFIX)


def new_body() -> str:
    body = _random(_RANDOM)
    return body + _checksum(body)


def has_checksum(body: str) -> bool:
    return len(body) == BODY and _checksum(body[:_RANDOM]) == body[_RANDOM:]


def split(text: str) -> tuple[str, str] | None:
    """Prefix and body, or None for a text that is no key."""
    match = _KEY.fullmatch(text)
    return (match[1], match[2]) if match else None


def from_header(authorization: str | None) -> tuple[str, str]:
    """Prefix and body of an Authorization header. Raises Unauthenticated with a sentence that says how to do it."""
    if authorization is None or not authorization.strip():
        raise Unauthenticated(f"no access key was sent: {_HOW}")
    scheme, _, text = authorization.strip().partition(" ")
    if scheme.lower() not in _SCHEMES:
        raise Unauthenticated(f"the Authorization header names neither ApiKey nor Bearer first: {_HOW}")
    parts = split(text.strip())
    if parts is None:
        raise Unauthenticated(f"the access key is not of the form prefix.body, both letters and digits: {_HOW}")
    return parts


def digest(pepper: bytes, body: str) -> bytes:
    return hmac.digest(pepper, body.encode(), hashlib.sha256)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECK):
        number, rest = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[rest] + digits
    return digits
