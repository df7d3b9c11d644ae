"""`headrace jobs`: submit, watch, results, cancel, list, and the dead letters of dead_letters.py."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.text import Text

from headrace.cli import dead_letters, job_inputs, resolve
from headrace.cli.api_client import decode, segment
from headrace.cli.command import ServerCommand, Session, session_of
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.job_inputs import Asked
from headrace.cli.job_results import result_table, write_files
from headrace.cli.job_words import JobId
from headrace.cli.output import clean, seconds, table
from headrace.cli.shapes import Job, Results, VersionDetails

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Submit jobs, watch them, read their results.")

OVER = {"COMPLETED", "CANCELED", "TIMEDOUT", "ERROR"}
FIRST_LOOK, LONGEST_LOOK = 0.05, 1.0  # seconds between two looks at a running job


@app.command(cls=ServerCommand)
def submit(  # noqa: PLR0913 - one parameter for each option of the command
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="Identifier or name of the model.")],
    text: Annotated[list[str] | None, typer.Option(help="A text; - reads stdin. May be repeated.")] = None,
    file: Annotated[
        list[str] | None, typer.Option(metavar="[INPUT=]PATH", help="A file; may be repeated. INPUT=: for that input.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="All files in this folder, one input each.")] = None,
    input_name: Annotated[str | None, typer.Option("--input", help="The model's input, if it has several.")] = None,
    version: Annotated[str | None, typer.Option(help="Else the newest active one.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Ask for explanations.")] = False,
    timeout: Annotated[float | None, typer.Option(min=0.001, help="Seconds after which the job ends.")] = None,
    priority: Annotated[int | None, typer.Option(min=1, max=100, help="Weight among your own jobs; else 10.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end and show the results.")] = False,
) -> None:
    """Submit a job.

    Examples: headrace jobs submit "Sentiment of texts" --text "What a day!" --wait

    headrace jobs submit ed542963de --folder scans/ --wait --json
    """
    session = session_of(ctx)
    asked = Asked(tuple(text or ()), tuple(file or ()), folder, input_name)
    asked.check()
    found = resolve.model(session.api, model)
    chosen = resolve.version(session.api, found, version)
    job: dict[str, Any] = {"model": {"identifier": found.model_id, "version": chosen.version}}
    if explain:
        job["explain"] = True
    if timeout is not None:
        job["timeout"] = max(1, round(timeout * 1000))
    if priority is not None:
        job["priority"] = priority
    raw = _send(session, job, asked, chosen)
    receipt = decode(raw, Job)
    if wait:
        session.output.say(f"job {receipt.job_identifier}")
        [over] = follow(session, {receipt.job_identifier: ""})
        show_results(session, receipt.job_identifier, everything=False)
        end(over.status, over.failed)
        return
    session.output.show(raw, lambda: Text(receipt.job_identifier))
    session.output.say(
        f"{receipt.total_inputs} inputs; `headrace jobs watch {receipt.job_identifier}` shows how it goes"
    )


def _send(session: Session, job: dict[str, Any], asked: Asked, version: VersionDetails) -> bytes:
    """Answers the receipt. Small files go together in one request, large ones in pieces."""
    if asked.texts:
        return job_inputs.submit(session.api, job, "text", job_inputs.texts(asked, version))
    chosen = job_inputs.files(asked, version)
    if job_inputs.fits_together(chosen):
        sources = {
            user_key: {name: job_inputs.embedded(path.read_bytes()) for name, path in parts.items()}
            for user_key, parts in chosen.items()
        }
        return job_inputs.submit(session.api, job, "embedded", sources)
    total = sum(path.stat().st_size for parts in chosen.values() for path in parts.values())
    with session.output.counter() as bar:
        sending = bar.add_task("sending bytes", total=total)
        return job_inputs.submit_files(session.api, job, chosen, lambda count: bar.advance(sending, count))


def follow(session: Session, titles: Mapping[str, str], limit: float | None = None) -> list[Job]:
    """Watch jobs until all are over, each with a bar; `titles` by job. Raises Failure after `limit` seconds."""
    end = None if limit is None else time.monotonic() + limit
    pause = FIRST_LOOK
    with session.output.counter() as bar:
        tasks = {identifier: bar.add_task(clean(title), total=None) for identifier, title in titles.items()}
        while True:
            now = [session.api.read(Job, f"jobs/{segment(identifier)}") for identifier in titles]
            for job, (identifier, title) in zip(now, titles.items(), strict=True):
                _draw(bar, tasks[identifier], job, title)
            if all(job.status in OVER for job in now):
                return now
            if end is not None and time.monotonic() + pause > end:
                raise Failure(f"not over after {limit:g} s: {_in_short(now[0])}", ExitCode.TIMEOUT)
            time.sleep(pause)
            pause = min(pause * 1.3, LONGEST_LOOK)


def _draw(bar: Progress, task: TaskID, job: Job, title: str) -> None:
    failed = f", {job.failed} failed" if job.failed else ""
    state = job.status.lower().replace("_", " ")
    description = f"{escape(clean(title))} {state}{failed}".strip()
    bar.update(task, description=description, total=job.total or None, completed=job.completed + job.failed)


@app.command(cls=ServerCommand)
def watch(
    ctx: typer.Context,
    job: JobId,
    limit: Annotated[float | None, typer.Option("--timeout", min=0, help="Give up after this many seconds.")] = None,
) -> None:
    """Watch a job until it is over."""
    session = session_of(ctx)
    follow(session, {job: ""}, limit)
    raw = session.api.get(f"jobs/{segment(job)}")
    over = decode(raw, Job)
    session.output.show(raw, lambda: Text(clean(_in_short(over))))
    end(over.status, over.failed)


def _in_short(job: Job) -> str:
    return (
        f"{job.job_identifier} {job.status}: {job.completed} of {job.total} inputs done, "
        f"{job.failed} failed, {seconds(job.elapsed_time)}"
    )


def end(status: str, failed: int) -> None:
    """The exit code of a job: 0 only when it completed and no input failed."""
    if status == "TIMEDOUT":
        raise typer.Exit(ExitCode.TIMEOUT)
    if status != "COMPLETED" or failed:
        raise typer.Exit(ExitCode.FAILED)


@app.command(cls=ServerCommand)
def results(
    ctx: typer.Context,
    job: JobId,
    output: Annotated[Path | None, typer.Option(help="Write all outputs to files in this folder.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show all inputs, not just the first.")] = False,
) -> None:
    """Show a job's results, also while it still runs."""
    session = session_of(ctx)
    if output is None:
        show_results(session, job, everything=everything)
        return
    answer = session.api.read(Results, f"results/{segment(job)}")
    with session.output.counter() as bar:
        task = bar.add_task("writing", total=len(answer.results) + len(answer.failures))
        files = []
        for path in write_files(session.api, answer, output):
            files.append(str(path))
            bar.advance(task)
    session.output.show(files, lambda: Text(clean(f"{len(files)} files in {output}")))


def show_results(session: Session, identifier: str, *, everything: bool) -> None:
    raw = session.api.get(f"results/{segment(identifier)}")
    answer = decode(raw, Results)
    session.output.show(raw, lambda: result_table(answer, everything=everything))


@app.command(cls=ServerCommand)
def cancel(ctx: typer.Context, job: JobId) -> None:
    """Cancel a job. What is done stays done."""
    session = session_of(ctx)
    raw = session.api.delete(f"jobs/{segment(job)}")
    now = decode(raw, Job)
    session.output.show(raw, lambda: Text(clean(_in_short(now))))


@app.command("list", cls=ServerCommand)
def list_jobs(
    ctx: typer.Context,
    status: Annotated[str | None, typer.Option(help="all, pending, terminated, or a state.")] = None,
    model: Annotated[str | None, typer.Option(help="Part of the model's name.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The most to show.")] = 20,
) -> None:
    """List jobs, the newest first."""
    session = session_of(ctx)
    query = {
        "status": status,
        "model": model,
        "page": 1,
        "per-page": limit,
        "sort-by": "submittedAt",
        "direction": "DESC",
    }
    raw = session.api.get("jobs/history", query)
    rows = decode(raw, list[Job])
    session.output.show(
        raw,
        lambda: table(
            ("job", "status", "model", "version", "done", "failed", "of", "took", "submitted"),
            (
                (
                    row.job_identifier,
                    row.status,
                    row.model.name or row.model.identifier,
                    row.model.version,
                    row.completed,
                    row.failed,
                    row.total,
                    seconds(row.elapsed_time),
                    row.submitted_at or "",
                )
                for row in rows
            ),
            right=("done", "failed", "of", "took"),
        ),
    )


app.command(cls=ServerCommand)(dead_letters.dead)
app.command(cls=ServerCommand)(dead_letters.redrive)
