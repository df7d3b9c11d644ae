"""Has a replica run at all since it was looked at closely? What has not run took no more memory and wrote nothing.

A close look reads some hundred files of /proc, and most replicas wait for questions most of the time. The kernel tells
how long a process has run to the nanosecond, and who has not run has begun no other process either.
"""

import time
from dataclasses import dataclass

from headrace.runners.limits import ran, tree

LITTLE = 10_000_000  # nanoseconds of running that count as none, for a while
LONGEST = 5.0  # seconds until a close look is due at a replica that ran so little
LONGEST_AT_REST = 30.0  # and at one that did not run at all: others might have written into its folder


@dataclass(frozen=True, slots=True)
class _State:
    """At the last close look. `ran`: nanoseconds, the whole family together; None when one of them was gone by then."""

    at: float
    family: list[int]
    ran: int | None


class Stillness:
    def __init__(self, longest: float = LONGEST, at_rest: float = LONGEST_AT_REST) -> None:
        self._longest, self._at_rest = longest, at_rest
        self._state: _State | None = None
        self._same: int | None = None  # what it had run when its family was last found to be the same

    def lasts(self, root: int) -> bool:
        """Whether the processes from `root` downwards are the same as at the last `begin`, and have not run since."""
        state = self._state
        if state is None or state.ran is None:
            return False
        now_ran = ran(state.family)
        longest = self._at_rest if now_ran == state.ran else self._longest
        if now_ran is None or now_ran - state.ran >= LITTLE or time.monotonic() - state.at >= longest:
            return False
        if now_ran != self._same and tree(root) != state.family:
            return False
        self._same = now_ran
        return True

    def begin(self, root: int) -> None:
        """Just before a close look."""
        family = tree(root)
        # what begins from here on is seen: the family is read again after it, by the first `lasts`
        self._state, self._same = _State(time.monotonic(), family, ran(family)), None
