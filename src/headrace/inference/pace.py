"""How long a question to a version takes, and so how many a replica is handed, or a worker claims, at once."""

from dataclasses import dataclass

WEIGHT = 0.3  # of the newest measurement
GROWTH = 4  # an unknown version starts with one question; each run may be four times the last


@dataclass(slots=True)
class Pace:
    """Seconds per question as a moving mean; 0 until one was measured."""

    mean: float = 0.0
    longest: int = 0  # the largest run measured so far

    def measured(self, inputs: int, seconds: float) -> None:
        each = seconds / inputs
        self.mean = each if not self.mean else (1 - WEIGHT) * self.mean + WEIGHT * each
        self.longest = max(self.longest, inputs)

    def inputs(self, seconds: float, most: int) -> int:
        """About as many as take `seconds`, at least 1."""
        if not self.mean:
            return 1
        return max(1, min(most, int(seconds / self.mean), self.longest * GROWTH))
