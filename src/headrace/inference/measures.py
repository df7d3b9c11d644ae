"""What models measure by themselves, all replicas together, for GET /metrics.

Counters and histograms are added up, and what replicas that are gone have counted stays, so that no sum runs backwards.
A gauge has the value that was told last by a replica which still lives, and goes with the last of them.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from headrace.dialects.measures import Series
from headrace.domain.ids import VersionKey
from headrace.telemetry.metrics import Family, Kind, Labels, Sample, histogram

MOST, MOST_OF_ONE = 10_000, 1_000  # series of all models, of one version
HISTOGRAM, GAUGE = "histogram", "gauge"

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Family:
    kind: str
    help: str
    sums: dict[Labels, "_Sum"] = field(default_factory=dict)


@dataclass(slots=True)
class _Sum:
    """Of one series. `living`: what each replica told last, the newest at the end."""

    key: VersionKey  # that brought it
    bounds: tuple[float, ...]
    past: list[float]  # the sum of values, and those of buckets
    living: dict[object, list[float]] = field(default_factory=dict)

    def total(self) -> list[float]:
        return [sum(numbers) for numbers in zip(self.past, *self.living.values(), strict=True)]


class Measures:
    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}
        self._of: dict[object, dict[tuple[str, Labels], None]] = {}  # what each replica has told
        self._counts: Counter[VersionKey] = Counter()
        self._past: dict[tuple[str, Labels], None] = {}  # that no replica tells any more, the oldest first
        self._said: set[tuple[VersionKey, str]] = set()

    def told(self, caller: VersionKey, teller: object, series: Sequence[Series]) -> None:
        for one in series:
            labels = _labels(one, caller)
            found = self._place(one, labels, caller)
            if found is None:
                continue
            numbers = [math.nan if one.value is None else float(one.value), *map(float, one.counts)]
            before = found.living.pop(teller, None)
            if one.kind != GAUGE and before is not None:
                numbers = [max(pair) for pair in zip(before, numbers, strict=True)]
            found.living[teller] = numbers
            self._of.setdefault(teller, {})[one.name, labels] = None
            self._past.pop((one.name, labels), None)

    def gone(self, teller: object) -> None:
        for name, labels in self._of.pop(teller, ()):
            family = self._families[name]
            found = family.sums[labels]
            last = found.living.pop(teller)
            if family.kind != GAUGE:
                found.past = [before + number for before, number in zip(found.past, last, strict=True)]
            if found.living:
                continue
            if family.kind == GAUGE:
                self._forget(name, labels)
            else:
                self._past[name, labels] = None

    async def families(self) -> Iterable[Family]:
        return [
            Family(name, Kind(family.kind), family.help, list(_samples(family)))
            for name, family in self._families.items()
        ]

    def _place(self, one: Series, labels: Labels, caller: VersionKey) -> _Sum | None:
        """None for what cannot be told together with what there is: that is said once."""
        family = self._families.get(one.name)
        found = None if family is None else family.sums.get(labels)
        if family is not None and family.kind != one.kind:
            self._say(caller, f"{one.name} is a {family.kind} of another model")
            return None
        if found is not None and found.bounds != one.bounds:
            self._say(caller, f"{one.name} has other buckets than before")
            return None
        return self._new(one, labels, caller) if found is None else found

    def _new(self, one: Series, labels: Labels, caller: VersionKey) -> _Sum | None:
        if self._counts.total() >= MOST and self._past:
            self._forget(*next(iter(self._past)))
        if self._counts[caller] >= MOST_OF_ONE or self._counts.total() >= MOST:
            self._say(caller, f"at most {MOST_OF_ONE} series of a version and {MOST} of all are told")
            return None
        found = _Sum(caller, one.bounds, [0.0] * (1 + len(one.counts)))
        self._families.setdefault(one.name, _Family(one.kind, one.help)).sums[labels] = found
        self._counts[caller] += 1
        return found

    def _forget(self, name: str, labels: Labels) -> None:
        family = self._families[name]
        self._counts[family.sums.pop(labels).key] -= 1
        self._past.pop((name, labels), None)
        if not family.sums:
            del self._families[name]

    def _say(self, caller: VersionKey, why: str) -> None:
        if (caller, why) not in self._said and len(self._said) < MOST:
            self._said.add((caller, why))
            logger.warning("metrics of model %s are left out: %s", caller, why)


def _labels(one: Series, caller: VersionKey) -> Labels:
    """What the model says of itself stands; else who it is."""
    given = dict(one.labels)
    ours = {"model": caller.model, "version": caller.version}
    return tuple(sorted(given.items())) + tuple((label, value) for label, value in ours.items() if label not in given)


def _samples(family: _Family) -> Iterable[Sample]:
    for labels, found in family.sums.items():
        if family.kind == HISTOGRAM:
            total, *buckets = found.total()
            yield from histogram(found.bounds, [int(count) for count in buckets], total, labels)
        elif family.kind == GAUGE:
            yield Sample(_plain(next(reversed(found.living.values()))[0]), labels)
        else:
            yield Sample(_plain(found.total()[0]), labels)


def _plain(value: float) -> int | float:
    return int(value) if value.is_integer() else value
