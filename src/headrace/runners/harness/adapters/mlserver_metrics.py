"""Metrics of a model of MLServer (`mlserver.register`, `mlserver.log`), on the sheet of the replica."""

from __future__ import annotations

import importlib
import itertools
import math
import sys
from collections.abc import Iterator
from typing import Any

from headrace.runners.harness.metrics import COUNTER, GAUGE, HISTOGRAM, About, NoMetric, Sheet

BUCKET, SUM, TOTAL, BOUND = "_bucket", "_sum", "_total", "le"
Labels = tuple[tuple[str, str], ...]


class Registered:
    def __init__(self, sheet: Sheet) -> None:
        self._registry: Any = importlib.import_module("mlserver.metrics.registry").REGISTRY
        self._sheet = sheet
        self._refused: set[str] = set()

    def tell(self) -> None:
        """What changed, before an answer."""
        for family in self._registry.collect():
            try:
                self._put(family)
            except NoMetric as why:
                if family.name not in self._refused:
                    self._refused.add(family.name)
                    sys.stderr.write(f"{why}\n")
        self._sheet.tell()

    def _put(self, family: Any) -> None:
        """Raises NoMetric."""
        if family.type == HISTOGRAM:
            for labels, buckets, total in _histograms(family.samples):
                bounds = [bound for bound, _ in buckets[:-1]]
                below = [0, *(int(count) for _, count in buckets)]
                counts = [after - before for before, after in itertools.pairwise(below)]
                self._sheet.series(About(family.name, HISTOGRAM, family.documentation), dict(labels), bounds).put(
                    total, counts
                )
            return
        suffix = TOTAL if family.type == COUNTER else ""
        for one in family.samples:
            if family.type in (COUNTER, GAUGE) and one.name == family.name + suffix:
                self._sheet.series(About(one.name, family.type, family.documentation), one.labels).put(one.value, [])


def _histograms(samples: Any) -> Iterator[tuple[Labels, list[tuple[float, float]], float]]:
    """By their labels: how many are below each bound, and the sum of all."""
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    sums: dict[Labels, float] = {}
    for one in samples:
        labels = tuple((label, value) for label, value in one.labels.items() if label != BOUND)
        if one.name.endswith(BUCKET):
            buckets.setdefault(labels, []).append((float(one.labels[BOUND]), one.value))
        elif one.name.endswith(SUM):
            sums[labels] = one.value
    for labels, found in buckets.items():
        yield labels, sorted(found), sums.get(labels, math.nan)
