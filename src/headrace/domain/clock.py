"""Time as an integer: milliseconds since 1970, UTC. Whoever needs to know the time is told it, or asks here."""

import time

Millis = int

SECOND: Millis = 1_000
HOUR: Millis = 3_600_000


def now() -> Millis:
    return time.time_ns() // 1_000_000
