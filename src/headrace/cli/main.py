"""The command line's entry: which commands there are. The module of a command is loaded when the command is used."""

import importlib
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class Entry:
    """`module` has the command, or the group of commands, as a Typer `app`."""

    module: str
    panel: str
    summary: str


SERVER, WORK = "Server", "Models and jobs"
COMMANDS = {
    "demo": Entry("demo", SERVER, "Show everything once: server, two real models, jobs, results."),
    "serve": Entry("server", SERVER, "Start the server."),
    "db": Entry("db", SERVER, "Upgrade, back up, restore and verify the database."),
    "doctor": Entry("doctor", SERVER, "Check this machine and the connection to the server."),
    "torture": Entry("torture", SERVER, "Kill a scratch server in every way, and check that its promises hold."),
    "deploy": Entry("deploy", WORK, "Deploy a model folder."),
    "image": Entry("image", WORK, "Make container images of model folders, push them, look at them."),
    "models": Entry("models", WORK, "Look at the model library, change a version's state and engines."),
    "jobs": Entry("jobs", WORK, "Submit jobs, watch them, read their results."),
    "engines": Entry("engines", WORK, "Show the engines of all versions."),
    "keys": Entry("keys", WORK, "Look at keys and make new ones."),
}


class LazyGroup(TyperGroup):
    """Help needs only the table above; running or completing a command needs that command's module and no other."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class's signature
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the base class's signature
        if entry := COMMANDS.get(cmd_name):
            return TyperCommand(cmd_name, help=entry.summary, rich_help_panel=entry.panel)
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if command is None or name not in COMMANDS:
            return name, command, rest
        # by name and only now: an HTTP client, or the whole server, is a long load for a command that needs neither
        module = importlib.import_module(f"headrace.cli.{COMMANDS[name].module}")
        return name, typer.main.get_command(module.app), rest


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Serve models, and run jobs on them.",
    epilog="Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 denied, 5 timeout, 130 interrupted.",
)


def _show_version(asked: bool) -> None:
    if asked:
        # loaded here: it takes 40 ms, and no other command needs it
        typer.echo(importlib.import_module("importlib.metadata").version("headrace"))
        raise typer.Exit


@app.callback()
def _headrace(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run() -> None:
    app(prog_name="headrace")
