"""The replicas of each version by state, as Prometheus families."""

from collections.abc import Iterable

from headrace.domain.clock import now
from headrace.fleet.reconcile import Fleet
from headrace.telemetry.metrics import Family, Kind, Sample, Source, gauge

STATES = ("failed", "queued", "spinning_up", "spinning_down", "running", "ready")


def source(fleet: Fleet) -> Source:
    async def families() -> Iterable[Family]:
        engines = [
            Sample(getattr(status, state), (("model", key.model), ("version", key.version), ("state", state)))
            for key, status in fleet.statuses().items()
            for state in STATES
        ]
        at = now()
        ages = [
            Sample((at - status.waiting_since) / 1000, (("model", key.model), ("version", key.version)))
            for key, status in fleet.statuses().items()
            if status.waiting_since is not None
        ]
        return [
            Family("headrace_waiting_seconds", Kind.GAUGE, "How long stored inputs have waited without a pause", ages),
            Family("headrace_engines", Kind.GAUGE, "Replicas by state; those at work are ready as well", engines),
            gauge("headrace_engines_limit", "The most replicas of all versions together", fleet.limit),
        ]

    return families
