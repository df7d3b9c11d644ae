"""Metrics that a model of Triton's Python backend makes by itself (MetricFamily), on the sheet of the replica."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

from headrace.runners.harness.adapters.triton_requests import TritonModelException, text
from headrace.runners.harness.metrics import COUNTER, GAUGE, HISTOGRAM, About, NoMetric, Series, Sheet


class MetricKind(enum.Enum):
    COUNTER, GAUGE, HISTOGRAM = COUNTER, GAUGE, HISTOGRAM


class Metric:
    """Several of the same family and labels are one."""

    def __init__(self, series: Series) -> None:
        self._series = series

    def increment(self, value: float) -> None:
        self._only(COUNTER, GAUGE)
        if value < 0 and self._series.kind == COUNTER:
            raise TritonModelException(
                f"the counter {self._series.name!r} can only be incremented by what is not negative"
            )
        self._series.add(value)

    def set(self, value: float) -> None:
        self._only(GAUGE)
        self._series.set(value)

    def observe(self, value: float) -> None:
        self._only(HISTOGRAM)
        self._series.observe(value)

    def value(self) -> float:
        """That of this replica."""
        self._only(COUNTER, GAUGE)
        return self._series.value

    def _only(self, *kinds: str) -> None:
        if self._series.kind not in kinds:
            raise TritonModelException(
                f"the metric {self._series.name!r} is a {self._series.kind}: that cannot be done to it"
            )


class MetricFamily:
    """`sheet` belongs to the module that a model imports: see triton_calls.for_model."""

    sheet: Sheet
    COUNTER, GAUGE, HISTOGRAM = MetricKind.COUNTER, MetricKind.GAUGE, MetricKind.HISTOGRAM

    def __init__(self, name: str, description: str, kind: MetricKind) -> None:
        self._name, self._text, self._kind = text(name), text(description), kind.value
        try:
            self.sheet.family(self._name, self._kind)
        except NoMetric as why:
            raise TritonModelException(str(why)) from None

    def Metric(self, labels: Mapping[str, str] | None = None, buckets: Sequence[float] | None = None) -> Metric:  # noqa: N802 - its name
        given = {text(label): text(value) for label, value in (labels or {}).items()}
        if (self._kind == HISTOGRAM) is not bool(buckets):
            raise TritonModelException(
                f"the metric {self._name!r} is a {self._kind}: buckets are for histograms, which need them"
            )
        try:
            return Metric(self.sheet.series(About(self._name, self._kind, self._text), given, buckets or ()))
        except NoMetric as why:
            raise TritonModelException(str(why)) from None
