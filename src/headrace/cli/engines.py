"""`headrace engines`: what runs, and what it prints."""

from typing import Annotated

import typer
from rich.text import Text

from headrace.cli.api_client import decode, segment
from headrace.cli.command import ServerCommand, Session, session_of
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.output import clean, size, table
from headrace.cli.shapes import Engine, EngineLog, LogEntry

app = typer.Typer(add_completion=False)

PATH = "resources/processing"
LOGS = "logs"


@app.command(cls=ServerCommand)
def engines(
    ctx: typer.Context,
    what: Annotated[str | None, typer.Argument(help="logs: what engines print, instead of what runs.")] = None,
    name: Annotated[str | None, typer.Argument(help="The engine whose log is shown; else those that are kept.")] = None,
    most: Annotated[int, typer.Option("--bytes", help="How much of a log is shown, from its end.")] = 64 * 1024,
) -> None:
    """Show the engines of all versions: wanted, starting, ready, failed. Or what they print: engines logs [NAME]."""
    session = session_of(ctx)
    if what is None:
        _running(session)
    elif what != LOGS:
        raise Failure(f"there is no {what!r} of engines; write: headrace engines logs [NAME]", ExitCode.USAGE)
    elif name is None:
        _logs(session)
    else:
        raw = session.api.get(f"{PATH}/logs/{segment(name)}", {"bytes": str(most)})
        session.output.show(raw, lambda: Text(clean(decode(raw, EngineLog).log)))


def _logs(session: Session) -> None:
    raw = session.api.get(f"{PATH}/logs")
    rows = decode(raw, list[LogEntry])
    session.output.show(
        raw,
        lambda: table(
            ("engine", "size", "last printed"),
            ((row.name, size(row.size), row.updated_at) for row in rows),
            right=("size",),
        ),
    )


def _running(session: Session) -> None:
    raw = session.api.get(f"{PATH}/engines")
    rows = decode(raw, list[Engine])
    columns = ("model", "version", "ready", "running", "starting", "stopping", "queued", "failed")
    session.output.show(
        raw,
        lambda: table(
            columns,
            (
                (
                    row.identifier,
                    row.version,
                    row.ready,
                    row.running,
                    row.spinning_up,
                    row.spinning_down,
                    row.queued,
                    row.failed,
                )
                for row in rows
            ),
            right=columns[2:],
        ),
    )
