"""Jobs: the receipt, the details, the summary, the features (contracts/modzy.md, A.6)."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from headrace.api.modzy.shapes import times
from headrace.domain.account import User
from headrace.domain.clock import Millis
from headrace.domain.job import Job, JobState
from headrace.jobs.history_rows import KeyStatistics
from headrace.settings import JobSettings


class ModelRef(msgspec.Struct):
    identifier: str
    version: str
    name: str


class TeamRef(msgspec.Struct):
    identifier: str


class AccessKeyRef(msgspec.Struct, rename="camel"):
    prefix: str
    is_default: bool


class Names(msgspec.Struct):
    """`jobInputs` of a receipt."""

    identifier: list[str]


class Name(msgspec.Struct):
    """One of `jobInputs` of the details: the other of its two shapes (rule 4)."""

    identifier: str


class ReceiptUser(msgspec.Struct, rename="camel"):
    identifier: str
    external_identifier: str
    first_name: str
    last_name: str
    email: str
    status: str


class DetailsUser(msgspec.Struct, rename="camel"):
    identifier: str
    external_identifier: str
    first_name: str
    last_name: str
    email: str
    access_keys: list[AccessKeyRef]
    status: str
    title: str
    picture_url: str = msgspec.field(name="pictureURL", default="")


class Receipt(msgspec.Struct, rename="camel"):
    """`status` stands before `user`, which has one too: the Excel add-in takes the first that it finds."""

    model: ModelRef
    status: str
    total_inputs: int
    job_identifier: str
    access_key: str
    explain: bool
    job_type: str
    account_identifier: str
    team: TeamRef
    user: ReceiptUser
    job_inputs: Names
    input_byte_amount: int
    submitted_at: str
    hours_delete_input: int
    image_classification_model: bool
    timeout: int


class Details(msgspec.Struct, rename="camel"):
    job_identifier: str
    submitted_by: str
    account_identifier: str
    model: ModelRef
    status: str
    created_at: str
    updated_at: str
    submitted_at: str
    total: int
    pending: int
    completed: int
    failed: int
    elapsed_time: int
    queue_time: int
    timeout: int
    input_byte_amount: int
    job_inputs: list[Name]
    explain: bool
    hours_delete_input: int
    image_classification_model: bool
    team: TeamRef
    user: DetailsUser


class Summary(msgspec.Struct, rename="camel"):
    job_identifier: str
    status: str
    model: ModelRef
    submitted_at: str


class Features(msgspec.Struct, rename="camel"):
    """The second spelling of the chunk size is what Python looks for, and finds nowhere else (A.6.4)."""

    input_chunk_maximum_size: str
    maximum_input_chunks: int
    maximum_inputs_per_job: int
    chunk_size_for_python: str = msgspec.field(name="input_chunk_maximum_size")


class UsedVersion(msgspec.Struct, rename="camel"):
    identifier: str
    name: str
    processed_jobs_count: int
    version: str


class Statistics(msgspec.Struct, rename="camel"):
    access_key: str
    jobs_count: int
    last_api_usage: str
    models_count: int
    models_list: list[UsedVersion]


@dataclass(frozen=True, slots=True)
class Company:
    """What a job's JSON tells of other rooms: the model's name, the submitter, the submitter's key."""

    model_name: str
    user: User
    key_is_default: bool


def receipt(job: Job, company: Company, names: Sequence[str]) -> Receipt:
    user = company.user
    return Receipt(
        model=_model(job, company),
        status=job.state,
        total_inputs=job.total,
        job_identifier=job.id,
        access_key=job.key,
        explain=job.explain,
        job_type="batch",
        account_identifier=job.account,
        team=TeamRef(job.team),
        user=ReceiptUser(
            user.identifier, user.external_identifier, user.first_name, user.last_name, user.email, user.status
        ),
        job_inputs=Names(list(names)),
        input_byte_amount=job.input_bytes,
        submitted_at=times.text(job.submitted),
        hours_delete_input=job.hours_delete_input,
        image_classification_model=False,
        timeout=job.timeout,
    )


def details(job: Job, company: Company, names: Sequence[str], now: Millis) -> Details:
    user = company.user
    return Details(
        job_identifier=job.id,
        submitted_by=user.email,
        account_identifier=job.account,
        model=_model(job, company),
        status=job.state,
        created_at=times.text(job.created),
        updated_at=times.text(job.updated),
        submitted_at=times.text(job.submitted),
        total=job.total,
        pending=job.pending,
        completed=job.completed,
        failed=job.failed,
        elapsed_time=elapsed(job, now),
        queue_time=queued(job, now),
        timeout=job.timeout,
        input_byte_amount=job.input_bytes,
        job_inputs=[Name(name) for name in names],
        explain=job.explain,
        hours_delete_input=job.hours_delete_input,
        image_classification_model=False,
        team=TeamRef(job.team),
        user=DetailsUser(
            user.identifier,
            user.external_identifier,
            user.first_name,
            user.last_name,
            user.email,
            [AccessKeyRef(job.key, company.key_is_default)],
            user.status,
            user.title,
        ),
    )


def summary(job: Job, company: Company) -> Summary:
    return Summary(job.id, job.state, _model(job, company), times.text(job.submitted))


def features(settings: JobSettings) -> Features:
    size = f"{settings.piece >> 20}M" if settings.piece >= 1 << 20 else f"{max(1, settings.piece >> 10)}K"
    return Features(size, settings.pieces, settings.inputs, size)


def statistics(found: KeyStatistics, model_names: dict[str, str]) -> Statistics:
    used = [
        UsedVersion(version.model, model_names.get(version.model, ""), count, version.version)
        for version, count in found.versions
    ]
    return Statistics(found.key, found.jobs, times.text(found.last_used), len(used), used)


def elapsed(job: Job, now: Millis) -> Millis:
    """From submission to the end, or to now."""
    if job.state is JobState.OPEN:
        return 0
    return max(0, (job.ended or now) - job.submitted)


def queued(job: Job, now: Millis) -> Millis:
    """From submission to the first input that a replica got, or to the end or now if there was none yet."""
    if job.state is JobState.OPEN:
        return 0
    return max(0, (job.started or job.ended or now) - job.submitted)


def _model(job: Job, company: Company) -> ModelRef:
    return ModelRef(job.version.model, job.version.version, company.model_name)
