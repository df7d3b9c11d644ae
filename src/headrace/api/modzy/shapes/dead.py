"""Dead letters as clients see them. They are ours: the contract has none."""

import msgspec

from headrace.api.modzy.shapes import times
from headrace.api.modzy.shapes.jobs import Company, ModelRef
from headrace.domain.job import Job
from headrace.jobs.dead_rows import DeadLetter


class DeadJob(msgspec.Struct, rename="camel"):
    """`dead`: its dead letters that were not tried again yet."""

    job_identifier: str
    status: str
    model: ModelRef
    dead: int
    failed: int
    total: int
    submitted_at: str


class DeadLetterShape(msgspec.Struct, rename="camel"):
    """`redrivenIn`: the job in which it was tried again."""

    input: str
    error: str
    engine: str
    died_at: str
    redriven_in: str | None


def dead_job(job: Job, company: Company) -> DeadJob:
    model = ModelRef(job.version.model, job.version.version, company.model_name)
    return DeadJob(job.id, job.state, model, job.dead, job.failed, job.total, times.text(job.submitted))


def dead_letter(one: DeadLetter) -> DeadLetterShape:
    return DeadLetterShape(one.name, one.reason, one.engine, times.text(one.died), one.redriven)
