"""What became of one input of a job."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.domain.clock import Millis
from headrace.domain.question import Output


@dataclass(frozen=True, slots=True)
class InputResult:
    """Outputs, or the reason why there are none. Stored once, by whoever held the claim."""

    name: str
    engine: str
    queued: Millis  # from submission to start
    started: Millis
    ended: Millis
    latency: float  # milliseconds inside the model
    outputs: Mapping[str, Output] = field(default_factory=dict)
    error: str | None = None

    @property
    def ok(self) -> bool:
        return self.error is None
