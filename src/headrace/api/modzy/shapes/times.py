"""Milliseconds <-> the contract's text. Written in one form only; read in all forms that clients send."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from headrace.domain.clock import Millis
from headrace.domain.errors import Invalid

_START = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_300_799_999  # the last millisecond of the year 9999
_ZONE = re.compile(r"[ +-]\d\d:?\d\d$|[zZ]$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d$")


def text(at: Millis) -> str:
    """`YYYY-MM-DDTHH:MM:SS.mmm+00:00`: the Go SDK fails on every other form (contracts/modzy.md, rule 1)."""
    seconds, millis = divmod(min(max(at, 0), _LAST), 1000)
    return f"{_seconds(seconds)}.{millis:03}+00:00"


def text_or_none(at: Millis | None) -> str | None:
    return None if at is None else text(at)


def parse(value: str, name: str) -> Millis:
    """ISO 8601 with or without zone (then UTC); a `+` that became a space on its way is a plus. Raises Invalid."""
    clean = value.strip()
    if _ZONE.search(clean) and not _DATE.match(clean):
        clean = re.sub(r" (\d\d:?\d\d)$", r"+\1", clean)
    try:
        moment = datetime.fromisoformat(clean)
    except ValueError:
        raise Invalid(f"`{name}` should be a time like 2026-01-31T12:00:00.000+00:00, but is {value[:60]!r}") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return int((moment - _START) / timedelta(milliseconds=1))


@lru_cache(maxsize=4096)
def _seconds(seconds: int) -> str:
    return (_START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
