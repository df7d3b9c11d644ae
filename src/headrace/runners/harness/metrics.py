"""What a model measures by itself: kept here, and told to the server (headrace/dialects/measures.py) when it changed.

For any thread. Values are those of this replica since its start; the server puts replicas together.
"""

from __future__ import annotations

import bisect
import contextlib
import math
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from headrace.runners.harness.calls import Calls, Gone
from headrace.runners.harness.jsons import dumps

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"
MOST = 1_000  # series of a model
TOGETHER = 100  # series in one frame
LATE = 0.5  # seconds after which a change is told that no question ends after
LABELS, BOUNDS = 16, 100  # of a series
LONGEST_NAME, LONGEST_VALUE, LONGEST_HELP = 200, 256, 1_000  # characters
OURS = ("headrace_", "nv_", "process_", "request_predict_")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__|le$)[a-zA-Z_][a-zA-Z0-9_]*")


class NoMetric(ValueError):
    """It cannot be told as a metric of Prometheus: the message says why."""


class About(NamedTuple):
    name: str
    kind: str
    text: str


class Series:
    """`value`: of a histogram the sum of what was observed. `counts` has one number more than `bounds`."""

    def __init__(self, sheet: Sheet, about: About, labels: Mapping[str, str], bounds: Sequence[float]) -> None:
        self._sheet, (self.name, self.kind, text) = sheet, about
        self._text = text[:LONGEST_HELP]
        self._labels, self.bounds = sorted(labels.items()), [float(one) for one in bounds]
        self.value = 0.0
        self._counts = [0] * (len(self.bounds) + 1) if self.kind == HISTOGRAM else []

    def add(self, amount: float) -> None:
        with self._sheet.changing(self):
            self.value += amount

    def set(self, value: float) -> None:
        with self._sheet.changing(self):
            self.value = float(value)

    def observe(self, value: float) -> None:
        with self._sheet.changing(self):
            self.value += value
            self._counts[bisect.bisect_left(self.bounds, value)] += 1

    def put(self, value: float, counts: list[int]) -> None:
        """Where somebody else counts."""
        if (value, counts) != (self.value, self._counts):
            with self._sheet.changing(self):
                self.value, self._counts = value, counts

    def told(self) -> tuple[object, ...]:
        value = self.value if math.isfinite(self.value) else None
        return self.name, self.kind, self._text, self._labels, value, self.bounds, self._counts


class Sheet:
    """Without `calls` nobody is told. A fork of the model tells nothing either."""

    def __init__(self, calls: Calls | None) -> None:
        self._calls, self._process = calls, os.getpid()
        self._lock = threading.Lock()
        self._series: dict[tuple[str, tuple[tuple[str, str], ...]], Series] = {}
        self._kinds: dict[str, str] = {}
        self._changed: dict[Series, None] = {}
        self._late = threading.Event()

    def family(self, name: str, kind: str) -> None:
        """Raises NoMetric."""
        if _NAME.fullmatch(name) is None or len(name) > LONGEST_NAME:
            raise NoMetric(f"{name[:LONGEST_NAME]!r} is no name of a metric: letters, digits, _ and : are")
        if name.startswith(OURS):
            raise NoMetric(f"the metric {name!r} has a name of the server's own: {', '.join(OURS)}")
        if self._kinds.setdefault(name, kind) != kind:
            raise NoMetric(f"the metric {name!r} is a {self._kinds[name]} already")

    def series(self, about: About, labels: Mapping[str, str], bounds: Sequence[float] = ()) -> Series:
        """The one of that name and those labels. Raises NoMetric."""
        name = about.name
        self.family(name, about.kind)
        found = self._series.get(key := (name, tuple(sorted(labels.items()))))
        if found is not None:
            return found
        _check(name, labels, bounds)
        if len(self._series) >= MOST:
            raise NoMetric(f"a model has at most {MOST} metrics, each set of labels by itself")
        with self._lock:
            if not self._series and self._calls is not None:
                threading.Thread(target=self._tell_late, name="headrace-metrics", daemon=True).start()
            found = self._series.setdefault(key, Series(self, about, labels, bounds))
        with self.changing(found):
            return found

    @contextlib.contextmanager
    def changing(self, series: Series) -> Iterator[None]:
        with self._lock:
            yield
            self._changed[series] = None
        if not self._late.is_set():
            self._late.set()

    def tell(self) -> None:
        """What changed. Called where a question ends: before its answer, so that whoever has it finds them."""
        if not self._changed or self._calls is None or self._process != os.getpid():
            return
        with self._lock:
            changed, self._changed = list(self._changed), {}
            with contextlib.suppress(Gone):
                for start in range(0, len(changed), TOGETHER):
                    self._calls.tell(dumps([one.told() for one in changed[start : start + TOGETHER]]))

    def _tell_late(self) -> None:
        while True:
            self._late.wait()
            time.sleep(LATE)
            self._late.clear()
            self.tell()


def _check(name: str, labels: Mapping[str, str], bounds: Sequence[float]) -> None:
    """Raises NoMetric."""
    if len(labels) > LABELS or len(bounds) > BOUNDS:
        raise NoMetric(
            f"the metric {name!r} has {len(labels)} labels and {len(bounds)} buckets: {LABELS} and {BOUNDS} may be"
        )
    for label, value in labels.items():
        if _LABEL.fullmatch(label) is None or len(label) > LONGEST_NAME or len(value) > LONGEST_VALUE:
            raise NoMetric(
                f"the metric {name!r} has the label {label[:LONGEST_NAME]!r}, which is none of Prometheus, or too long"
            )
    if list(bounds) != sorted(set(bounds)) or not all(map(math.isfinite, bounds)):
        raise NoMetric(f"the buckets of {name!r} should be finite numbers, each larger than the one before")
