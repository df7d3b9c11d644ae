"""`headrace jobs dead` and `headrace jobs redrive`: inputs that failed without an answer of their model."""

from typing import Annotated, Any

import typer
from rich.text import Text

from headrace.cli.api_client import decode, segment
from headrace.cli.command import session_of
from headrace.cli.job_words import JobId
from headrace.cli.output import clean, table
from headrace.cli.shapes import DeadJob, DeadLetter, Job

Limit = Annotated[int, typer.Option(min=1, max=1000, help="The most to show.")]


def dead(
    ctx: typer.Context,
    job: Annotated[
        str | None, typer.Argument(metavar="[JOB]", help="Its dead letters; else the jobs that have some.")
    ] = None,
    limit: Limit = 20,
) -> None:
    """Show dead letters: inputs that failed without an answer of their model.

    Their replica died or went over a limit, or none could be started. `headrace jobs redrive` tries them again.
    """
    session = session_of(ctx)
    query = {"page": 1, "per-page": limit}
    if job is None:
        raw = session.api.get("jobs/dead", query)
        jobs = decode(raw, list[DeadJob])
        lines: list[tuple[Any, ...]] = [
            (one.job_identifier, one.status, one.model.name or one.model.identifier, one.dead, one.total)
            for one in jobs
        ]
        session.output.show(raw, lambda: table(("job", "status", "model", "dead", "of"), lines, right=("dead", "of")))
        return
    raw = session.api.get(f"jobs/{segment(job)}/dead", query)
    letters = [(one.input, one.error, one.died_at, one.redriven_in or "") for one in decode(raw, list[DeadLetter])]
    session.output.show(raw, lambda: table(("input", "why", "when", "tried again in"), letters))


def redrive(
    ctx: typer.Context,
    job: JobId,
    inputs: Annotated[list[str] | None, typer.Argument(metavar="[INPUT]...", help="Only these.")] = None,
) -> None:
    """Try a job's dead letters again, in a new job."""
    session = session_of(ctx)
    raw = session.api.post(f"jobs/{segment(job)}/redrive", {"inputs": inputs} if inputs else {})
    made = decode(raw, Job)
    session.output.show(raw, lambda: Text(clean(made.job_identifier)))
    session.output.say(f"{made.total_inputs} inputs; `headrace jobs watch {made.job_identifier}` shows how it goes")
