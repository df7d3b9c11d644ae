"""Plain integers, rendered as Prometheus text when somebody asks (exposition format 0.0.4). Nothing is kept here.

Each room offers a source: a function that reads the room's own integers into families of samples. A source that fails
leaves its families out and is counted: the others are still told.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from headrace.domain.errors import HeadraceError

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]
Number = int | float

logger = logging.getLogger(__name__)


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Sample:
    """`suffix` is that of a histogram's series: _bucket, _sum, _count."""

    value: Number
    labels: Labels = ()
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    name: str
    kind: Kind
    help: str
    samples: Sequence[Sample]


Source = Callable[[], Awaitable[Iterable[Family]]]


class Metrics:
    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self._sources = list(sources)
        self._failures = 0

    def add(self, *sources: Source) -> None:
        self._sources.extend(sources)

    async def text(self) -> bytes:
        families: list[Family] = []
        for source in self._sources:
            try:
                families += await source()
            except HeadraceError as error:
                self._failures += 1
                logger.warning("some metrics are left out: %s", error)
        families.append(counter("headrace_metrics_failures_total", "Sources that could not be read", self._failures))
        return render(families)


def render(families: Iterable[Family]) -> bytes:
    """Families of the same name, from several sources, are told together: the format demands it."""
    together: dict[str, list[Family]] = {}
    for family in families:
        together.setdefault(family.name, []).append(family)
    lines: list[str] = []
    for name, parts in together.items():
        lines.append(f"# HELP {name} {_escaped(parts[0].help)}")
        lines.append(f"# TYPE {name} {parts[0].kind}")
        lines += [
            f"{name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}"
            for family in parts
            for sample in family.samples
        ]
    return ("\n".join(lines) + "\n").encode()


def counter(name: str, text: str, value: Number) -> Family:
    return Family(name, Kind.COUNTER, text, (Sample(value),))


def gauge(name: str, text: str, value: Number) -> Family:
    return Family(name, Kind.GAUGE, text, (Sample(value),))


def histogram(bounds: Sequence[float], buckets: Sequence[int], total: float, labels: Labels = ()) -> list[Sample]:
    """`buckets` holds one number more than `bounds`: those above the last. `total`: the sum of all values."""
    samples, below = [], 0
    for bound, inside in zip((*bounds, math.inf), buckets, strict=True):
        below += inside
        samples.append(Sample(below, (*labels, ("le", _number(bound))), "_bucket"))
    return [*samples, Sample(total, labels, "_sum"), Sample(below, labels, "_count")]


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = ",".join(f'{name}="{_escaped(value).replace(chr(34), chr(92) + chr(34))}"' for name, value in labels)
    return f"{{{pairs}}}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _number(value: Number) -> str:
    if value == math.inf:
        return "+Inf"
    return str(value) if isinstance(value, int) else repr(value)
