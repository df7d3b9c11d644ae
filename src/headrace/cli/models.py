"""`headrace models`: what is in the library, and changes of a version's state and engines."""

from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from headrace.cli import resolve
from headrace.cli.api_client import decode, segment
from headrace.cli.command import ServerCommand, Session, session_of
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.output import clean, facts, seconds, size, table
from headrace.cli.shapes import ModelRow, Put, VersionDetails

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Look at the model library, change a version's state and engines."
)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Identifier or name.")]
Number = Annotated[str, typer.Argument(metavar="VERSION")]
OptionalNumber = Annotated[str | None, typer.Argument(metavar="[VERSION]", help="Else the newest active one.")]


@app.command("list", cls=ServerCommand)
def list_models(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Only models whose name contains this.")] = None,
    active: Annotated[bool, typer.Option("--active", help="Only models that can run jobs now.")] = False,
) -> None:
    """List the models that your key may see."""
    session = session_of(ctx)
    query = {"name": name, "isActive": "true" if active else None}
    found = session.api.read(list[ModelRow], "models", query)
    raw = [session.api.get(f"models/{row.model_id}") for row in found]
    session.output.show(b"[" + b",".join(raw) + b"]", lambda: _library([decode(one, ModelRow) for one in raw]))
    if not raw:
        session.output.say("no models: `headrace deploy FOLDER` makes one")


def _library(rows: list[ModelRow]) -> RenderableType:
    return table(
        ("model", "name", "active version", "versions", "tags", "by"),
        (
            (
                row.model_id,
                row.name,
                row.latest_active_version or "-",
                " ".join(row.versions),
                ", ".join(tag.name for tag in row.tags),
                row.created_by_email,
            )
            for row in rows
        ),
    )


@app.command("show", cls=ServerCommand)
def show_model(ctx: typer.Context, model: Model, version: OptionalNumber = None) -> None:
    """Show a model's version: what goes in, what comes out, what it needs."""
    session = session_of(ctx)
    found = resolve.model(session.api, model)
    number = version or found.latest_active_version or found.latest_version or (found.versions or [""])[-1]
    if not number:
        raise Failure(f"model {found.name} ({found.model_id}) has no version", ExitCode.NOT_FOUND)
    raw = session.api.get(f"models/{found.model_id}/versions/{segment(number)}")
    session.output.show(raw, lambda: _card(found, decode(raw, VersionDetails)))


def _card(found: ModelRow, version: VersionDetails) -> RenderableType:
    needs = version.requirement
    head = facts(
        (
            ("model", f"{found.name} ({found.model_id})"),
            ("version", f"{version.version}, {version.status}; all: {' '.join(found.versions)}"),
            ("summary", found.description),
            ("tags", ", ".join(tag.name for tag in found.tags)),
            ("by", found.created_by_email),
            ("needs", f"{needs.cpu_amount} processor, {needs.memory_amount} memory" if needs else ""),
            ("timeouts", f"load {seconds(version.timeout.status)}, one input {seconds(version.timeout.run)}"),
            ("engines", _engines(version)),
            ("isolation", version.isolation),
        )
    )
    text = Text(clean(version.long_description.strip()))
    return Group(head, _files("input", version.inputs), _files("output", version.outputs), text)


def _engines(version: VersionDetails) -> str:
    capacity = version.processing
    return f"{capacity.minimum_parallel_capacity} to {capacity.maximum_parallel_capacity}"


def _files(kind: str, files: list[Put]) -> RenderableType:
    rows = (
        (
            file.name,
            file.accepted_media_types or file.media_type,
            size(file.maximum_size) if file.maximum_size else "",
            file.description,
        )
        for file in files
    )
    return table((kind, "media types", "at most", "description"), rows)


def _set_status(session: Session, model: str, version: str, status: str) -> None:
    found = resolve.model(session.api, model)
    path = f"models/{found.model_id}/versions/{segment(version)}"
    raw = session.api.patch(path, {"status": status}, deadline=300.0)  # activation waits for a run test under way
    changed = decode(raw, VersionDetails)
    session.output.show(
        raw, lambda: Text(clean(f"{found.name} ({found.model_id}) version {version} is {changed.status or status}"))
    )


@app.command(cls=ServerCommand)
def activate(ctx: typer.Context, model: Model, version: Number) -> None:
    """Let a tested version run jobs."""
    _set_status(session_of(ctx), model, version, "active")


@app.command(cls=ServerCommand)
def deactivate(ctx: typer.Context, model: Model, version: Number) -> None:
    """Take no more jobs for a version; its engines stop."""
    _set_status(session_of(ctx), model, version, "inactive")


@app.command(cls=ServerCommand)
def delete(ctx: typer.Context, model: Model, version: Number) -> None:
    """Delete a version. Jobs that ran on it keep their results."""
    _set_status(session_of(ctx), model, version, "deleted")


@app.command(cls=ServerCommand)
def scale(
    ctx: typer.Context,
    model: Model,
    version: Number,
    minimum: Annotated[int, typer.Option(min=0, help="Engines that always run; 0: started on demand.")],
    maximum: Annotated[int, typer.Option(min=1, help="Engines that may run at once.")],
) -> None:
    """Set how many engines a version gets."""
    session = session_of(ctx)
    found = resolve.model(session.api, model)
    body = {"processing": {"minimumParallelCapacity": minimum, "maximumParallelCapacity": maximum}}
    raw = session.api.patch(f"models/{found.model_id}/versions/{segment(version)}", body)
    changed = decode(raw, VersionDetails)
    session.output.show(raw, lambda: Text(clean(f"{found.name} version {version}: {_engines(changed)} engines")))
