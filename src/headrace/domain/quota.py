"""Quotas: how many inputs a user, team or project may submit within a window (seed 1; contracts/modzy.md, A.8)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from headrace.domain.clock import HOUR, Millis
from headrace.domain.errors import Invalid

LARGEST = 10**15
DAY: Millis = 24 * HOUR


class Period(StrEnum):
    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"


class QuotaScope(StrEnum):
    USER = "user"
    TEAM = "team"
    PROJECT = "project"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a quota allows: `limit` inputs in each `period`, or between `starts` and `ends`, or (all None) for ever."""

    limit: int = 100  # the documented default
    period: Period | None = None
    starts: Millis | None = None
    ends: Millis | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The time that one count stands for: `start` up to, but without, `end`. No end: it never renews."""

    start: Millis
    end: Millis | None


@dataclass(frozen=True, slots=True)
class Quota:
    """`period` and `starts`/`ends` exclude each other. `used` counts the inputs of the window now running."""

    identifier: str
    scope: QuotaScope
    subject: str
    limit: int
    used: int
    period: Period | None
    starts: Millis | None
    ends: Millis | None


def window_start(period: Period, at: Millis) -> Millis:
    """The first millisecond of the window that `at` lies in: UTC calendar hours, days, ISO weeks, months, years."""
    moment = datetime.fromtimestamp(at / 1000, UTC).replace(minute=0, second=0, microsecond=0)
    match period:
        case Period.HOURLY:
            start = moment
        case Period.DAILY:
            start = moment.replace(hour=0)
        case Period.WEEKLY:
            start = moment.replace(hour=0) - timedelta(days=moment.weekday())
        case Period.MONTHLY:
            start = moment.replace(hour=0, day=1)
        case Period.YEARLY:
            start = moment.replace(hour=0, day=1, month=1)
    return int(start.timestamp()) * 1000


def window_end(period: Period, at: Millis) -> Millis:
    """The first millisecond of the next window: when the count begins again."""
    start = window_start(period, at)
    match period:
        case Period.HOURLY:
            return start + HOUR
        case Period.DAILY:
            return start + DAY
        case Period.WEEKLY:
            return start + 7 * DAY
        case Period.MONTHLY:
            return window_start(period, start + 32 * DAY)
        case Period.YEARLY:
            return window_start(period, start + 367 * DAY)


def window_at(terms: Terms, at: Millis) -> Window | None:
    """The window that `at` lies in. None before `starts` and from `ends` on: then nothing is limited."""
    if terms.period is not None:
        return Window(window_start(terms.period, at), window_end(terms.period, at))
    start = terms.starts or 0
    if at < start or (terms.ends is not None and at >= terms.ends):
        return None
    return Window(start, terms.ends)


def check_terms(terms: Terms) -> None:
    """Raises Invalid, naming the field of the API."""
    if not 0 <= terms.limit <= LARGEST:
        raise Invalid(f"quota is {terms.limit}; it must be between 0 and {LARGEST} inputs")
    if terms.period is not None and (terms.starts is not None or terms.ends is not None):
        raise Invalid("a quota has either a period or from and to, not both")
    if terms.starts is not None and terms.ends is not None and terms.starts >= terms.ends:
        raise Invalid("from must be before to")
