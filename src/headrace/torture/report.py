"""What was tried, how often, and what came out: figures that can be written down as JSON."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from headrace.torture.plan import Kind, known_points
from headrace.torture.scene import Outcome


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds."""

    count: int
    p50: float
    longest: float


@dataclass(frozen=True, slots=True)
class OfKind:
    """All rounds of a kind. `missed`: kills that came from outside, because their place was not passed in time."""

    kind: Kind
    rounds: int
    kills: int
    missed: int
    cuts: int
    troubles: dict[str, int]
    recovery: Times  # from the start of a server after a crash to its readiness
    resumed: Times  # from the end of a trouble to the next acknowledged job
    taken: Times  # from the end of a server until another had taken over all that it had under way
    jobs: int
    inputs: int
    faults: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the program: how often it was passed, and how often the server was killed there."""

    name: str
    passed: int
    killed: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A round in which a promise was broken. `replay` is what `headrace torture --replay` takes."""

    replay: str
    faults: tuple[str, ...]
    log: str


@dataclass(slots=True)
class Report:
    version: str
    seeds: tuple[int, ...]
    postgresql: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    not_tried: dict[Kind, str] = field(default_factory=dict)  # with the reason
    surveyed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def how(self) -> str:
        """The option that a replay needs as well."""
        return "--postgresql " if self.postgresql else ""

    @property
    def held(self) -> bool:
        return not any(outcome.faults for outcome in self.outcomes)

    def kinds(self) -> list[OfKind]:
        found = []
        for kind in Kind:
            mine = [outcome for outcome in self.outcomes if outcome.plan.kind is kind]
            if mine:
                found.append(_of_kind(kind, mine))
        return found

    def places(self) -> list[Place]:
        passed, killed = Counter(self.surveyed), Counter[str]()
        for outcome in self.outcomes:
            passed.update(outcome.passed)
            killed.update(kill.rpartition(":")[0] for kill in outcome.kills)
        return [Place(name, passed[name], killed[name]) for name in known_points()]

    def failures(self) -> list[Failure]:
        return [
            Failure(outcome.plan.name, tuple(outcome.faults), outcome.log)
            for outcome in self.outcomes
            if outcome.faults
        ]

    def document(self) -> dict[str, object]:
        """What --report writes."""
        return {
            "version": self.version,
            "seeds": self.seeds,
            "database": "postgresql" if self.postgresql else "sqlite",
            "held": self.held,
            "interrupted": self.interrupted,
            "seconds": round(self.seconds, 1),
            "notTried": {kind.value: why for kind, why in self.not_tried.items()},
            "kinds": self.kinds(),
            "places": self.places(),
            "failures": self.failures(),
            "rounds": [
                {
                    "name": outcome.plan.name,
                    "seconds": round(outcome.seconds, 1),
                    "kills": outcome.kills,
                    "missed": outcome.missed,
                    "cuts": outcome.cuts,
                    "troubles": outcome.troubles,
                    "counts": outcome.counts,
                    "faults": outcome.faults,
                }
                for outcome in self.outcomes
            ],
        }


def _of_kind(kind: Kind, outcomes: Sequence[Outcome]) -> OfKind:
    troubles: Counter[str] = Counter()
    for outcome in outcomes:
        troubles.update(outcome.troubles)
    return OfKind(
        kind=kind,
        rounds=len(outcomes),
        kills=sum(len(one.kills) for one in outcomes),
        missed=sum(len(one.missed) for one in outcomes),
        cuts=sum(one.cuts for one in outcomes),
        troubles=dict(troubles),
        recovery=_times([seconds for one in outcomes for seconds in one.recoveries]),
        resumed=_times([seconds for one in outcomes for seconds in one.resumed]),
        taken=_times([seconds for one in outcomes for seconds in one.taken]),
        jobs=sum(one.counts["jobs acknowledged"] for one in outcomes),
        inputs=sum(one.counts["inputs acknowledged"] for one in outcomes),
        faults=sum(len(one.faults) for one in outcomes),
        seconds=round(sum(one.seconds for one in outcomes), 1),
    )


def _times(seconds: Sequence[float]) -> Times:
    if not seconds:
        return Times(0, 0.0, 0.0)
    return Times(len(seconds), round(statistics.median(seconds), 2), round(max(seconds), 2))
