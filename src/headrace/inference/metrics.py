"""What was asked of each version, as Prometheus families: our own names, and those of Triton and KServe.

Triton's and KServe's dashboards find their names here (contracts/oip.md, A16); the label `model` is the model's
identifier, `version` its version.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import TypeVar

from headrace.domain.ids import VersionKey
from headrace.inference.ask import Ask
from headrace.inference.counts import BOUNDS, Counts
from headrace.telemetry.metrics import Family, Kind, Labels, Sample, Source, histogram

MICRO = 1_000  # nanoseconds

T = TypeVar("T")
Read = Callable[[Counts], int]

_TRITON: tuple[tuple[str, str, Read], ...] = (
    ("nv_inference_request_success", "Requests that were answered", lambda counts: counts.answers + counts.hits),
    ("nv_inference_count", "Elements of batches", lambda counts: counts.rows),
    ("nv_inference_exec_count", "Calls of the model", lambda counts: counts.calls),
    (
        "nv_inference_request_duration_us",
        "Microseconds from request to answer",
        lambda counts: (counts.queue_ns + counts.success_ns + counts.hit_ns) // MICRO,
    ),
    ("nv_inference_queue_duration_us", "Microseconds in the queue", lambda counts: counts.queue_ns // MICRO),
    (
        "nv_inference_compute_input_duration_us",
        "Microseconds beside the model: inputs and outputs carried, decoded and encoded",
        lambda counts: counts.input_ns // MICRO,
    ),
    (
        "nv_inference_compute_infer_duration_us",
        "Microseconds in the model",
        lambda counts: counts.infer_ns // MICRO,
    ),
    (
        "nv_inference_compute_output_duration_us",
        "Always 0: outputs are counted with inputs",
        lambda _: 0,
    ),
    ("nv_cache_num_hits_per_model", "Answers that were kept from before", lambda counts: counts.hits),
    ("nv_cache_num_misses_per_model", "Questions whose answer was not kept", lambda counts: counts.missed),
    ("nv_cache_hit_duration_per_model", "Microseconds to find kept answers", lambda counts: counts.hit_ns // MICRO),
    ("nv_cache_miss_duration_per_model", "Microseconds to find none", lambda counts: counts.miss_ns // MICRO),
)
_FAILURES: tuple[tuple[str, Read], ...] = (
    ("REJECTED", lambda counts: counts.turned_away),
    ("CANCELED", lambda counts: counts.canceled),
    ("BACKEND", lambda counts: counts.errors),
    ("OTHER", lambda counts: counts.lost),
)


def source(ask: Ask, *, triton_names: bool) -> Source:
    async def families() -> Iterable[Family]:
        found = [*_own(ask)]
        if ask.events is not None:
            found += await ask.events.families()
        return [*found, *_triton(ask)] if triton_names else found

    return families


def _own(ask: Ask) -> Iterable[Family]:
    counts = ask.counts
    yield Family(
        "headrace_inference_seconds",
        Kind.HISTOGRAM,
        "Seconds in the model, of single requests and inputs of jobs",
        _histograms(counts, ("model", "version")),
    )
    yield _counter(
        "headrace_inference_errors_total", "Answers in which the model said why not", counts, attrgetter("errors")
    )
    yield _counter(
        "headrace_inference_lost_total", "Questions whose replica ended or was too slow", counts, attrgetter("lost")
    )
    yield _counter(
        "headrace_inference_turned_away_total", "Callers who got no replica", counts, attrgetter("turned_away")
    )
    yield _counter("headrace_engines_broken_total", "Replicas that had to be ended", counts, attrgetter("broken"))
    yield Family(
        "headrace_requests_waiting", Kind.GAUGE, "Single requests that no replica has taken yet",
        [Sample(count, _labels(key)) for key, count in _sorted(ask.waiting())],
    )  # fmt: skip
    yield Family(
        "headrace_oldest_request_seconds", Kind.GAUGE, "How long the single request waits that waits longest",
        [Sample(ask.oldest())],
    )  # fmt: skip


def _triton(ask: Ask) -> Iterable[Family]:
    counts = ask.counts
    for name, text, read in _TRITON:
        yield _counter(name, text, counts, read)
    yield Family(
        "nv_inference_request_failure",
        Kind.COUNTER,
        "Requests that failed, by reason",
        [
            Sample(read(one), (*_labels(key), ("reason", reason)))
            for key, one in _sorted(counts)
            for reason, read in _FAILURES
        ],
    )
    yield Family(
        "nv_inference_pending_request_count",
        Kind.GAUGE,
        "Requests in the queue",
        [Sample(count, _labels(key)) for key, count in _sorted(ask.waiting())],
    )
    yield Family(
        "request_predict_seconds",
        Kind.HISTOGRAM,
        "Seconds in the model (KServe's name)",
        _histograms(counts, ("model_name", "model_version")),
    )


def _counter(name: str, text: str, counts: Mapping[VersionKey, Counts], read: Read) -> Family:
    return Family(name, Kind.COUNTER, text, [Sample(read(one), _labels(key)) for key, one in _sorted(counts)])


def _histograms(counts: Mapping[VersionKey, Counts], names: tuple[str, str]) -> list[Sample]:
    return [
        sample
        for key, one in _sorted(counts)
        for sample in histogram(BOUNDS, one.buckets, one.latency / 1000, _labels(key, names))
    ]


def _sorted(by_key: Mapping[VersionKey, T]) -> list[tuple[VersionKey, T]]:
    return sorted(by_key.items(), key=lambda item: str(item[0]))


def _labels(key: VersionKey, names: tuple[str, str] = ("model", "version")) -> Labels:
    return (names[0], key.model), (names[1], key.version)
