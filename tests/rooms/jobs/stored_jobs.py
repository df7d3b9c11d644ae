"""Jobs put straight into the tables, for tests of the queue below its doors."""

from dataclasses import replace

from headrace.domain.ids import VersionKey, new_job_id
from headrace.domain.job import Job, JobInput, JobState
from headrace.domain.result import InputResult
from headrace.domain.source import SourceKind
from headrace.jobs import rows

KEY = VersionKey("abcdefghij", "1.0.0")


def new_job(user="ann", **changes):
    fresh = Job(
        id=new_job_id(), number=0, account="a", team="t", user=user, key="k", version=KEY, kind=SourceKind.TEXT,
        state=JobState.SUBMITTED, explain=False, timeout=0, total=0, completed=0, failed=0, canceled=0, input_bytes=0,
        created=1, updated=1, submitted=1, started=None, ended=None, queue_total=0, latency_total=0.0,
        hours_delete_input=1,
    )  # fmt: skip
    return replace(fresh, **changes)


def store(tx, inputs, user="ann"):
    stored = rows.insert_job(tx, new_job(user, total=len(inputs)), None)
    rows.store_inputs(tx, stored, inputs, [])
    rows.count_refused(tx, stored, 0, 1)
    rows.wake_flow(tx, stored, len(inputs))
    return rows.by_number(tx, stored.number)


def named(count):
    return [JobInput(f"i{n}", {"x": b"%d" % n}) for n in range(count)]


def result(name, ok=True):
    return InputResult(name, "e", 0, 1, 2, 1.0, error=None if ok else "no")
