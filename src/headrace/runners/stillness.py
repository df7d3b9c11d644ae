"""Has a replica run at all since it was looked at closely? What has not run took no more memory and wrote nothing.

A close look reads some hundred files of /proc, and most replicas wait for questions most of the time.
"""

import time
from dataclasses import dataclass

from headrace.runners.limits import newest, ticks, tree

LONGEST = 5.0  # seconds until a close look is due in any case: less than a hundredth of a second is not seen here


@dataclass(frozen=True, slots=True)
class _State:
    newest: str
    family: list[int]
    ticks: int


class Stillness:
    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest
        self._state: _State | None = None
        self._until = 0.0

    def lasts(self, root: int) -> bool:
        """Whether the processes from `root` downwards are the same as at the last `begin`, and have not run since."""
        state = self._state
        if state is None or time.monotonic() >= self._until:
            return False
        last = newest()
        if last != state.newest:  # somebody began a process or a thread; else the family is what it was
            if tree(root) != state.family:
                return False
            self._state = _State(last, state.family, state.ticks)
        return _ticks(state.family) == state.ticks

    def begin(self, root: int) -> None:
        """Just before a close look."""
        last, family = newest(), tree(root)
        self._state = _State(last, family, _ticks(family))
        self._until = time.monotonic() + self._longest


def _ticks(family: list[int]) -> int:
    return sum(ticks(pid) for pid in family)
