"""Results of a job: the frame around them, and each input as a piece of JSON text (contracts/modzy.md, A.7)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from headrace.api.modzy.shapes import times
from headrace.api.modzy.shapes.jobs import Company, ModelRef, TeamRef, elapsed, queued
from headrace.domain.clock import Millis
from headrace.domain.job import Job
from headrace.domain.result import InputResult

_AMBIGUOUS = frozenset({"datasource", "vote"})  # input names that the short form of an output's URL cannot hold


class Voting(msgspec.Struct):
    up: int = 0
    down: int = 0


class Vote(msgspec.Struct):
    """NO_VOTES, UP or DOWN."""

    vote: str


class Success(msgspec.Struct, rename="camel"):
    """One of `results`; the outputs stand beside these fields under their own names."""

    status: str
    engine: str
    input_fetching: int
    output_uploading: int | None
    model_latency: float
    queue_time: int
    start_time: str
    update_time: str
    end_time: str
    elapsed_time: int
    voting: Voting


class Failure(msgspec.Struct, rename="camel"):
    status: str
    engine: str
    error: str
    start_time: str
    update_time: str
    end_time: str
    elapsed_time: int
    queue_time: int


class Frame(msgspec.Struct, rename="camel"):
    """Everything of the answer but its last two fields."""

    job_identifier: str
    account_identifier: str
    team: TeamRef
    total: int
    completed: int
    failed: int
    finished: bool
    submitted_by_key: str
    explained: bool
    submitted_at: str
    initial_queue_time: int
    total_queue_time: int
    average_model_latency: float
    total_model_latency: float
    elapsed_time: int
    starting_result_summarizing: str | None
    result_summarizing: int
    input_size: int
    job_queue_time: int
    job_processed_time: int
    job_elapsed_time: int


class Results(Frame):
    """The whole answer, for the document: it is written in pieces, because it may be long."""

    results: dict[str, Success]
    failures: dict[str, Failure]


class ResultJob(msgspec.Struct, rename="camel"):
    identifier: str
    status: str
    created_at: str
    updated_at: str
    model: ModelRef
    submitted_by: str
    total_input_count: int
    completed_input_count: int
    failed_input_count: int
    submitted_at: str
    finished: bool
    elapsed_time: int


class Result(msgspec.Struct, rename="camel"):
    """One input's result (results.v1.Result of the edge contract, in this contract's JSON)."""

    job: ResultJob
    input_name: str
    status: str
    start_time: str
    update_time: str
    end_time: str
    elapsed_time: int
    explained: bool
    engine: str
    queue_time: int
    input_fetching_time: int
    output_uploading_time: int
    model_latency: float
    access_key: str
    result: dict[str, Any]
    error: str | None
    voting: Voting


def frame(job: Job, now: Millis) -> Frame:
    ended = job.completed + job.failed
    started = job.started or job.ended or now
    return Frame(
        job_identifier=job.id,
        account_identifier=job.account,
        team=TeamRef(job.team),
        total=job.total,
        completed=job.completed,
        failed=job.failed,
        finished=job.over,
        submitted_by_key=job.key,
        explained=job.explain,
        submitted_at=times.text(job.submitted),
        initial_queue_time=queued(job, now),
        total_queue_time=job.queue_total,
        average_model_latency=round(job.latency_total / ended, 3) if ended else 0.0,
        total_model_latency=round(job.latency_total, 3),
        elapsed_time=elapsed(job, now),
        starting_result_summarizing=times.text_or_none(job.ended),
        result_summarizing=0,
        input_size=job.input_bytes,
        job_queue_time=queued(job, now),
        job_processed_time=max(0, (job.ended or now) - started),
        job_elapsed_time=elapsed(job, now),
    )


def success(result: InputResult, outputs: Mapping[str, Any], votes: tuple[int, int]) -> dict[str, Any]:
    """`outputs` as they are to be shown. A field of the contract wins over an output of the same name."""
    shown: dict[str, Any] = {
        "status": "SUCCESSFUL",
        "engine": result.engine,
        "inputFetching": 0,
        "outputUploading": None,
        "modelLatency": round(result.latency, 3),
        "queueTime": result.queued,
        "startTime": times.text(result.started),
        "updateTime": times.text(result.ended),
        "endTime": times.text(result.ended),
        "elapsedTime": max(0, result.ended - result.started),
    }
    voting = {"voting": {"up": votes[0], "down": votes[1]}}
    return shown | {name: value for name, value in outputs.items() if name not in shown} | voting


def vote(up: bool | None) -> Vote:
    return Vote("NO_VOTES" if up is None else "UP" if up else "DOWN")


def failure(result: InputResult) -> Failure:
    return Failure(
        status="FAILED",
        engine=result.engine,
        error=result.error or "",
        start_time=times.text(result.started),
        update_time=times.text(result.ended),
        end_time=times.text(result.ended),
        elapsed_time=max(0, result.ended - result.started),
        queue_time=result.queued,
    )


def one(job: Job, company: Company, result: InputResult, outputs: Mapping[str, Any], votes: tuple[int, int]) -> Result:
    return Result(
        job=ResultJob(
            identifier=job.id,
            status=job.state,
            created_at=times.text(job.created),
            updated_at=times.text(job.updated),
            model=ModelRef(job.version.model, job.version.version, company.model_name),
            submitted_by=company.user.email,
            total_input_count=job.total,
            completed_input_count=job.completed,
            failed_input_count=job.failed,
            submitted_at=times.text(job.submitted),
            finished=job.over,
            elapsed_time=elapsed(job, job.updated),
        ),
        input_name=result.name,
        status="SUCCESSFUL" if result.ok else "FAILED",
        start_time=times.text(result.started),
        update_time=times.text(result.ended),
        end_time=times.text(result.ended),
        elapsed_time=max(0, result.ended - result.started),
        explained=job.explain,
        engine=result.engine,
        queue_time=result.queued,
        input_fetching_time=0,
        output_uploading_time=0,
        model_latency=round(result.latency, 3),
        access_key=job.key,
        result=dict(outputs),
        error=result.error,
        voting=Voting(*votes),
    )


def output_url(base_url: str, job_id: str, input_name: str, output_name: str) -> str:
    name, output = quote(input_name, safe=""), quote(output_name, safe="")
    if input_name in _AMBIGUOUS:
        return f"{base_url}/api/results/{job_id}/datasource/{name}/output/{output}"
    return f"{base_url}/api/results/{job_id}/{name}/{output}"
