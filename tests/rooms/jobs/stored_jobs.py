"""Jobs put straight into the tables, for tests of the queue below its doors."""

import itertools
from dataclasses import replace

from headrace.domain.ids import VersionKey, new_job_id
from headrace.domain.job import Job, JobInput, JobState
from headrace.domain.result import InputResult
from headrace.domain.source import SourceKind
from headrace.jobs import claim_rows, fair, rows
from headrace.jobs.claim_rows import Claimer, Most
from headrace.jobs.stock import stock_of
from headrace.jobs.submit import enqueue
from headrace.settings import JobSettings

KEY = VersionKey("abcdefghij", "1.0.0")
BYTES = 1 << 20

tokens = (f"{number:016x}" for number in itertools.count())


def new_job(user="ann", **changes):
    fresh = Job(
        id=new_job_id(), number=0, account="a", team="t", user=user, key="k", version=KEY, kind=SourceKind.TEXT,
        state=JobState.SUBMITTED, explain=False, timeout=0, total=0, completed=0, failed=0, canceled=0, input_bytes=0,
        created=1, updated=1, submitted=1, started=None, ended=None, queue_total=0, latency_total=0.0,
        hours_delete_input=1,
    )  # fmt: skip
    return replace(fresh, **changes)


def store(tx, inputs, user="ann", settings=None, **changes):
    """As a submission does it, with its quota and its place in the queue."""
    stored = rows.insert_job(tx, new_job(user, total=len(inputs), **changes), None)
    enqueue(tx, stored, stock_of(inputs), 1, settings or JobSettings())
    return rows.by_number(tx, stored.number)


def claim(tx, most, *, server="one", most_bytes=BYTES, until=60_000, now=1):
    return claim_rows.claim(tx, KEY, Most(most, most_bytes), Claimer(server, next(tokens), until), now)


def claim_some(tx, most, together, *, server="one", most_bytes=BYTES):
    claimer = Claimer(server, next(tokens), 60_000)
    return claim_rows.claim_some(tx, KEY, Most(most, most_bytes), together, claimer, 1)


def waiting(tx):
    return fair.waiting(tx).get(KEY, 0)


def named(count):
    return [JobInput(f"i{n}", {"x": b"%d" % n}) for n in range(count)]


def result(name, ok=True):
    return InputResult(name, "e", 0, 1, 2, 1.0, error=None if ok else "no")
