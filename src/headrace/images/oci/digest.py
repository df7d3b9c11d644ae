"""Digests as images name their parts: sha256, checked before one becomes a file's name."""

import hashlib
import re
from pathlib import Path
from typing import IO

from headrace.domain.errors import Invalid

PIECE = 1 << 20
_SHA256 = re.compile(r"sha256:(?P<hex>[0-9a-f]{64})")


def hex_of(digest: str) -> str:
    """The part that is a file's name. Raises Invalid."""
    match = _SHA256.fullmatch(digest)
    if match is None:
        raise Invalid(f"{digest[:100]!r} is not a digest that is taken here: sha256: and 64 hexadecimal digits")
    return match["hex"]


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_of_file(file: IO[bytes] | Path) -> str:
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return digest_of_file(opened)
    return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"  # type: ignore[arg-type]
