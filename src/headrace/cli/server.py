"""`headrace serve`: reads the settings and hands over to the server, which is loaded only here."""

import gc
import importlib
import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from headrace.cli import read_settings
from headrace.cli.connection import default_data
from headrace.cli.failure import ExitCode, Failure
from headrace.domain.errors import HeadraceError

app = typer.Typer(add_completion=False)

EDGE_PORT = 55_000  # where its clients look for it


@app.command()
def serve(
    data: Annotated[Path | None, typer.Option(help="The folder that holds everything the server keeps.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1: this machine only.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=0, max=65535)] = None,
    edge: Annotated[
        bool, typer.Option("--edge", help="Open the edge API, too: port 55000 of this machine, without a key.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file; else ./headrace.toml if there is one.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="ROOM.NAME=VALUE", help="Any setting; may be repeated.")
    ] = None,
) -> None:
    """Start the server. Stop it with Ctrl-C: open requests get time to end.

    Every setting can also stand in the environment (HEADRACE_SERVER_PORT=9000) or in headrace.toml.

    Example: headrace serve --data /srv/headrace --port 9000 --set fleet.engines=8
    """
    try:
        flags = named(settings or [])
        given = (
            ("data", data),
            ("server.host", host),
            ("server.port", port),
            ("edge.port", EDGE_PORT if edge else None),
        )
        for name, value in given:
            if value is not None:
                flags[name] = str(value)
        read = read_settings.read(flags, os.environ, config, default_data())
    except Failure as failure:
        _end(failure.message, failure.code)
    gc.disable()  # until the server has settled: what is loaded stays, and looking for garbage in it takes a tenth
    # loaded here and by name, so that all other commands start without the server's modules
    run = importlib.import_module("headrace.serve").run
    try:
        run(read)
    except HeadraceError as error:
        _end(error.message, ExitCode.FAILED)
    except OSError as error:
        _end(str(error), ExitCode.FAILED)


def _end(message: str, code: ExitCode) -> NoReturn:
    """Said plainly: the server does without the other commands' printing and HTTP client."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)


def named(settings: list[str]) -> dict[str, str]:
    """Name and value of each "fleet.engines=8". Raises Failure for anything else."""
    flags = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise Failure(f"--set {setting}: it should be --set room.name=value", ExitCode.USAGE)
        flags[name.strip()] = value
    return flags
