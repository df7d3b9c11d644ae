"""Time as an integer: milliseconds since 1970, UTC. Whoever needs to know the time is told it, or asks here."""

import time

from headrace import faults

Millis = int

SECOND: Millis = 1_000
HOUR: Millis = 3_600_000
LEAST_STEP: Millis = 5_000


def _now() -> Millis:
    return time.time_ns() // 1_000_000


now = faults.jumping(_now)


class Steps:
    """By how much the clock was set, as a computer's clock sometimes is: an hour at once, in either direction."""

    def __init__(self) -> None:
        self._offset = now() - _steady()

    def step(self) -> Millis:
        """Since the last that was taken into account. Less than some seconds is not worth telling."""
        step = now() - _steady() - self._offset
        return 0 if abs(step) < LEAST_STEP else step

    def taken(self, step: Millis) -> None:
        """Into account."""
        self._offset += step


def _steady() -> Millis:
    """Time that nobody sets; it goes on while the machine sleeps, where there is such a clock."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000_000


_BASE: Millis = now() - _steady()


def steady() -> Millis:
    """As `now` when this process started; from then on nobody sets it. For pauses and leases, never for people."""
    return _BASE + _steady()
