"""Sizes and times as models write them: "512M", "1.5 GB", "60s", "2m". What cannot be read was not said."""

import re

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?)B?|B)?\s*", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_TIME = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h)?\s*")
_UNITS = {"ms": 1, "s": 1_000, "": 1_000, "m": 60_000, "h": 3_600_000}
LARGEST = 1 << 50
LONGEST = 7 * 24 * 3_600_000
DIGITS = 20


def size(said: str) -> int:
    """Bytes; 0: not said."""
    match = _SIZE.fullmatch(said[:DIGITS])
    if match is None:
        return 0
    number, unit, binary = match.group(1), (match.group(2) or "").upper(), match.group(3)
    base = 1024 if binary else 1000
    return min(LARGEST, int(float(number) * base ** _POWERS[unit]))


def millis(said: str) -> int | None:
    match = _TIME.fullmatch(said[:DIGITS])
    if match is None:
        return None
    found = int(float(match.group(1)) * _UNITS[match.group(2) or ""])
    return min(LONGEST, found) or None
