"""A job and its inputs: states, which move is legal, and what a claim is. Pure: tables and arithmetic."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from headrace.domain.body import Body
from headrace.domain.clock import Millis
from headrace.domain.errors import Conflict
from headrace.domain.ids import VersionKey
from headrace.domain.source import SourceKind


class JobState(StrEnum):
    OPEN = "OPEN"
    SUBMITTED = "SUBMITTED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"
    TIMEDOUT = "TIMEDOUT"


NORMAL, HIGHEST = 10, 100  # priorities; the lowest is 1

LIVE = frozenset({JobState.SUBMITTED, JobState.IN_PROGRESS})
ENDED = frozenset({JobState.COMPLETED, JobState.CANCELED, JobState.TIMEDOUT})

MOVES: Mapping[JobState, frozenset[JobState]] = {
    JobState.OPEN: frozenset({JobState.SUBMITTED, JobState.CANCELED, JobState.TIMEDOUT}),
    JobState.SUBMITTED: frozenset({JobState.IN_PROGRESS, JobState.COMPLETED, JobState.CANCELED, JobState.TIMEDOUT}),
    JobState.IN_PROGRESS: frozenset({JobState.COMPLETED, JobState.CANCELED, JobState.TIMEDOUT}),
    JobState.COMPLETED: frozenset(),
    JobState.CANCELED: frozenset(),
    JobState.TIMEDOUT: frozenset(),
}


def check_move(old: JobState, new: JobState) -> None:
    if new not in MOVES[old]:
        raise Conflict(f"a job that is {old} cannot become {new}")


@dataclass(frozen=True, slots=True)
class JobInput:
    """One named input: a body for each input name that the model defines.

    `refusal` is set when the input can never run (a missing name, a body that cannot be decoded): it is stored like
    the others and fails with this sentence, so that one bad input does not cost its neighbours the job.
    """

    name: str
    bodies: Mapping[str, Body] = field(default_factory=dict)
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as a caller wants it: parsed, not yet stored. `inputs` is None for an open job, filled later in pieces.

    They are gone through once: those of a large job may be made as they are asked for.
    """

    version: VersionKey
    kind: SourceKind
    inputs: Collection[JobInput] | None
    explain: bool = False
    timeout: Millis = 0  # 0: none
    priority: int = NORMAL


@dataclass(frozen=True, slots=True)
class Job:
    """A stored job with its counts. pending = total - completed - failed - canceled."""

    id: str
    number: int  # order of arrival
    account: str
    team: str
    user: str  # user identifier
    key: str  # prefix of the access key
    version: VersionKey
    kind: SourceKind
    state: JobState
    explain: bool
    timeout: Millis
    total: int
    completed: int
    failed: int
    canceled: int
    input_bytes: int
    created: Millis
    updated: Millis
    submitted: Millis
    started: Millis | None  # first input given to a replica
    ended: Millis | None
    queue_total: Millis  # sum over the inputs that have ended
    latency_total: float  # milliseconds inside the model, sum
    hours_delete_input: int
    priority: int = NORMAL  # weight among the jobs of one user
    dead: int = 0  # of `failed`: those that failed without an answer of the model and were not tried again

    @property
    def pending(self) -> int:
        return self.total - self.completed - self.failed - self.canceled

    @property
    def over(self) -> bool:
        return self.state in ENDED
