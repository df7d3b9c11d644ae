"""`headrace engines`: what runs."""

import typer

from headrace.cli.api_client import decode
from headrace.cli.command import ServerCommand, session_of
from headrace.cli.output import table
from headrace.cli.shapes import Engine

app = typer.Typer(add_completion=False)


@app.command(cls=ServerCommand)
def engines(ctx: typer.Context) -> None:
    """Show the engines of all versions: wanted, starting, ready, failed."""
    session = session_of(ctx)
    raw = session.api.get("resources/processing/engines")
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
