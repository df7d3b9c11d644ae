"""Whether a batch that could leave at once waits for one more turn of the loop: some may be about to come."""

MOST_TURNS = 16  # of the loop that each bring more
EMPTY_TURNS = 1  # in a row that bring nobody; a caller on another core needs about one to ask again


class Gathering:
    """Of one queue. Callers that were answered a moment ago tend to come back, and to come back together.

    Without it eight callers rest in two groups of four: each group's batch leaves just before the other one, which was
    answered in the same turn, is back. No timer: where nobody comes it costs two turns of the loop, a few µs.
    """

    __slots__ = ("_empty", "_expected", "_seen", "_turns")

    def __init__(self) -> None:
        self._expected = 0  # how many wait when all are back
        self._seen = self._turns = self._empty = 0  # how many waited one turn ago; turns that brought some, and none

    def answered(self, callers: int, waiting: int) -> None:
        """So many got their answers, while so many others wait."""
        self._expected = max(self._expected, waiting) + callers

    def goes_on(self, waiting: int, most: int) -> bool:
        """Asked once in a turn, until it says no. `most`: a batch takes no more."""
        if waiting < self._expected and waiting < most and self._turns < MOST_TURNS:
            if waiting > self._seen:
                self._seen, self._empty = waiting, 0
                self._turns += 1
                return True
            if self._empty < EMPTY_TURNS:
                self._empty += 1
                return True
        self._expected = self._seen = self._turns = self._empty = 0
        return False
