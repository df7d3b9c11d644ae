"""Every error that Headrace raises. No HTTP number in sight: the doors translate (api/errors.py).

HeadraceError
├── Invalid                 the request breaks a rule; the message says which, where, and what would be right
│   ├── TooLarge            a body, a file or an archive is over its limit
│   ├── Unsupported         we know what is meant, but this installation cannot do it
│   └── KeyReused           an Idempotency-Key that came with another request before
├── Unauthenticated         no key, an unknown key, or a key that was switched off
├── Forbidden               the key's roles do not allow this
│   └── QuotaExceeded       more inputs than the quota of this window leaves
├── NotFound                no such thing, or the caller may not know that it exists
├── Conflict                the thing is in a state that does not allow this
├── NotReady                a step before this one has not finished yet
├── Unavailable             not now: no replica became free in time, or the server is shutting down
│   └── TooMuchWaiting      the queue is full: nothing was stored
├── StorageFailed           the disk is full or broken: nothing was acknowledged
├── ModelFailed             the model answered with an error: this is a result, not a fault of ours
│   ├── LimitReached        the model went over one of its limits (time, memory, processes, disk, size)
│   └── NotStarted          none of its replicas starts: nobody has asked the model anything yet
└── ReplicaLost             a replica ended while it held a question; the question may be asked again
"""


class HeadraceError(Exception):
    """Base of all. The class says what kind, the message says what happened."""

    def __init__(self, message: str, *, technical: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.technical = technical


class Invalid(HeadraceError):
    pass


class TooLarge(Invalid):
    pass


class Unsupported(Invalid):
    pass


class KeyReused(Invalid):
    pass


class Unauthenticated(HeadraceError):
    pass


class Forbidden(HeadraceError):
    pass


class QuotaExceeded(Forbidden):
    pass


class NotFound(HeadraceError):
    pass


class Conflict(HeadraceError):
    pass


class NotReady(HeadraceError):
    pass


class Unavailable(HeadraceError):
    """`retry_after`: seconds after which another try makes sense; None when nobody can tell."""

    def __init__(self, message: str, *, technical: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, technical=technical)
        self.retry_after = retry_after


class TooMuchWaiting(Unavailable):
    pass


class StorageFailed(HeadraceError):
    pass


class ModelFailed(HeadraceError):
    pass


class LimitReached(ModelFailed):
    """`suspect` and `together` as in ReplicaLost, when the limit was one of a running question."""

    def __init__(self, message: str, *, technical: str = "", suspect: int | None = None, together: int = 1) -> None:
        super().__init__(message, technical=technical)
        self.suspect, self.together = suspect, together


class NotStarted(ModelFailed):
    """`retry_after` as in Unavailable: the next start is tried then."""

    def __init__(self, message: str, *, technical: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, technical=technical)
        self.retry_after = retry_after


class ReplicaLost(HeadraceError):
    """`suspect` is the index of the first question without an answer, if the replica had begun it.

    It had begun `together` questions from there on: those of a batch, and those whose answers it had not sent yet.
    When that is more than one, which of them is to blame shows only when each is asked alone.
    """

    def __init__(self, message: str, *, suspect: int | None = None, together: int = 1) -> None:
        super().__init__(message)
        self.suspect, self.together = suspect, together
