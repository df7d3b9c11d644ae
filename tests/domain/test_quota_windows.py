"""The windows that quotas count: calendar hours, days, weeks, months and years of UTC, or a fixed span."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.domain.errors import Invalid
from headrace.domain.quota import Period, Terms, Window, check_terms, window_at, window_end, window_start

MOMENTS = st.integers(0, 250_000_000_000_0)  # until 2049
PERIODS = st.sampled_from(Period)


def millis(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (Period.HOURLY, "2024-02-29T23:00:00", "2024-03-01T00:00:00"),
        (Period.DAILY, "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        (Period.WEEKLY, "2024-02-26T00:00:00", "2024-03-04T00:00:00"),
        (Period.MONTHLY, "2024-02-01T00:00:00", "2024-03-01T00:00:00"),
        (Period.YEARLY, "2024-01-01T00:00:00", "2025-01-01T00:00:00"),
    ],
)
def test_windows_of_a_leap_day(period, start, end):
    at = millis("2024-02-29T23:59:59") + 999

    assert (millis(start), millis(end)) == (window_start(period, at), window_end(period, at))


@given(PERIODS, MOMENTS)
def test_every_moment_lies_in_exactly_one_window(period, at):
    start, end = window_start(period, at), window_end(period, at)

    assert start <= at < end
    assert start == window_start(period, start) == window_start(period, end - 1)
    assert end == window_start(period, end)


@given(PERIODS, MOMENTS)
def test_windows_begin_at_midnight_except_hours(period, at):
    start = datetime.fromtimestamp(window_start(period, at) / 1000, UTC)

    assert (0, 0) == (start.minute, start.second)
    assert period is Period.HOURLY or 0 == start.hour
    assert period is not Period.WEEKLY or 0 == start.weekday()


def test_a_fixed_span_limits_only_inside():
    terms = Terms(5, starts=100, ends=200)

    assert [None, Window(100, 200), Window(100, 200), None] == [window_at(terms, at) for at in (99, 100, 199, 200)]


def test_without_period_and_span_there_is_one_window_for_ever():
    assert Window(0, None) == window_at(Terms(5), 10**13)


def test_an_open_end_and_an_open_start():
    assert Window(7, None) == window_at(Terms(1, starts=7), 8)
    assert Window(0, 9) == window_at(Terms(1, ends=9), 8)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        (Terms(-1), "between 0 and"),
        (Terms(10**16), "between 0 and"),
        (Terms(1, Period.DAILY, starts=1), "not both"),
        (Terms(1, Period.DAILY, ends=1), "not both"),
        (Terms(1, starts=2, ends=2), "before"),
    ],
)
def test_terms_that_contradict_themselves_are_refused(terms, says):
    with pytest.raises(Invalid, match=says):
        check_terms(terms)


@pytest.mark.parametrize("terms", [Terms(), Terms(0), Terms(1, Period.YEARLY), Terms(1, None, 1, 2)])
def test_other_terms_are_taken(terms):
    check_terms(terms)


def test_a_day_is_24_hours_all_year():
    days = {
        timedelta(milliseconds=window_end(Period.DAILY, at) - window_start(Period.DAILY, at))
        for at in range(0, 10**11, 10**9)
    }

    assert {timedelta(days=1)} == days
