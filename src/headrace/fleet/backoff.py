"""When a version whose replicas fail may be started again, and what its callers are told meanwhile. Pure."""

from dataclasses import dataclass

from headrace.domain.clock import Millis
from headrace.domain.errors import HeadraceError

REFUSALS = 3  # starts in a row that never got ready: after that, callers are told at once instead of waiting


@dataclass(slots=True)
class BackOff:
    """One version's failures in a row."""

    first: Millis
    longest: Millis
    failures: int = 0  # ends that nobody asked for, in a row, without an answer between them
    refusals: int = 0  # those of them that never got ready
    error: HeadraceError | None = None
    not_before: Millis = 0

    def failed(self, error: HeadraceError, at: Millis, *, ready: bool, answered: int) -> None:
        """A replica ended by itself. One that had answered something is started again at once: it makes progress."""
        self.error = error
        if ready:
            self.refusals = 0
        else:
            self.refusals += 1
        self.failures = 0 if answered else self.failures + 1
        self.not_before = at + self.delay if self.failures else 0

    def got_ready(self) -> None:
        self.refusals = 0

    def answered(self) -> None:
        self.failures = self.refusals = self.not_before = 0
        self.error = None

    @property
    def delay(self) -> Millis:
        return min(self.longest, self.first << min(self.failures - 1, 30)) if self.failures else 0

    @property
    def refusing(self) -> bool:
        return self.refusals >= REFUSALS

    def may_start(self, at: Millis) -> bool:
        return at >= self.not_before
