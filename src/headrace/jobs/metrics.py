"""The queue of stored inputs and what became of them, as Prometheus families."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import func, select

from headrace.domain.clock import Millis, now
from headrace.domain.ids import VersionKey
from headrace.jobs.room import Room
from headrace.jobs.tables import job
from headrace.storage.database import Tx
from headrace.telemetry.metrics import Family, Kind, Labels, Sample, Source, counter


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for one version: jobs with inputs that nobody works on, those inputs, since when the oldest waits."""

    key: VersionKey
    jobs: int
    inputs: int
    since: Millis


def backlogs(tx: Tx) -> list[Backlog]:
    found = tx.execute(
        select(job.c.model, job.c.version, func.count(), func.sum(job.c.ready), func.min(job.c.submitted))
        .where(job.c.ready > 0)
        .group_by(job.c.model, job.c.version)
        .order_by(job.c.model, job.c.version)
    )
    return [
        Backlog(VersionKey(model, version), int(jobs), int(inputs), since)
        for model, version, jobs, inputs, since in found
    ]


def source(room: Room) -> Source:
    async def families() -> Iterable[Family]:
        waiting, at, tally = await room.database.read(backlogs), now(), room.tally
        ages = [(one, max(0, at - one.since) / 1000) for one in waiting]
        oldest = max((age for _, age in ages), default=0.0)
        return [
            _gauge(
                "headrace_jobs_waiting", "Jobs with inputs that nobody works on yet", [(o, o.jobs) for o in waiting]
            ),
            _gauge("headrace_inputs_waiting", "Inputs of jobs that nobody works on", [(o, o.inputs) for o in waiting]),
            _gauge("headrace_oldest_input_seconds", "How long the oldest of them waits, by version", ages),
            Family(
                "headrace_oldest_input_of_all_seconds",
                Kind.GAUGE,
                "How long the oldest waiting input of all versions waits; 0 when none waits",
                [Sample(oldest)],
            ),
            counter("headrace_jobs_submitted_total", "Jobs submitted", tally.jobs),
            counter("headrace_inputs_submitted_total", "Inputs of submitted jobs", tally.inputs),
            counter("headrace_results_total", "Results of jobs' inputs stored", tally.results),
            counter("headrace_result_errors_total", "Results that are errors", tally.errors),
            counter("headrace_dead_letters_total", "Errors without an answer of the model", tally.dead),
            counter("headrace_input_retries_total", "Inputs put back after a fault, not an error", tally.retries),
        ]

    return families


def _gauge(name: str, text: str, values: Iterable[tuple[Backlog, int | float]]) -> Family:
    return Family(name, Kind.GAUGE, text, [Sample(value, _labels(one.key)) for one, value in values])


def _labels(key: VersionKey) -> Labels:
    return ("model", key.model), ("version", key.version)
