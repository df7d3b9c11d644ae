"""`headrace image`: container images made from model folders, pushed to registries, looked at. No daemon, no root."""

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from headrace.cli import image_build, image_files
from headrace.cli.command import LocalCommand, session_of
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.output import facts, size
from headrace.cli.registry_password import USERNAME_HELP, password_of
from headrace.domain.errors import HeadraceError
from headrace.images.registry.auth import Credentials

app = typer.Typer(add_completion=False, no_args_is_help=True)

Username = Annotated[str | None, typer.Option(help=USERNAME_HELP)]
Plain = Annotated[bool, typer.Option("--plain-http", help="Speak with the registry without TLS.")]
Authorities = Annotated[Path | None, typer.Option("--ca", help="PEM file with the registry's certificate authority.")]


@app.command(cls=LocalCommand)
def build(  # noqa: PLR0913 - one parameter for each option of the command
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A model folder, as for headrace deploy.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write a tar that every engine loads.")] = None,
    push: Annotated[str | None, typer.Option(help="Push it: registry:port/name:tag.")] = None,
    tag: Annotated[
        str | None, typer.Option(help="What engines call it; else the folder's name, in small letters.")
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="An image with Python to build on, from a registry or a file; else this Python.")
    ] = None,
    username: Username = None,
    plain: Plain = False,
    ca: Authorities = None,
) -> None:
    """Make a container image of a model folder: the same folder makes the same bytes.

    It answers under the HTTP contract of model containers (/status, /run, /shutdown on port 8080), as a user without
    rights. Without --base it holds the Python of this machine and what that needs.

    Example: headrace image build ./praise -o praise.tar
    """
    session = session_of(ctx)
    if output is None and push is None:
        raise Failure("say where it should go: -o FILE, or --push REFERENCE", ExitCode.USAGE)
    way = image_files.Way(_credentials(username), plain=plain, authorities=str(ca or ""))
    with tempfile.TemporaryDirectory(prefix="headrace-image-") as scratch:
        wishes = image_build.Wishes(folder, base, tag)
        try:
            built = asyncio.run(image_build.build(wishes, way, Path(scratch), session.output.say))
            if output is not None:
                image_build.write(built, image_build.tag_of(wishes), output)
            if push is not None:
                asyncio.run(image_files.push_built(built, push, way, session.output.say))
        except HeadraceError as error:
            raise Failure(error.message) from error
    told = {"digest": built.digest, "size": built.image.manifest.size, "file": str(output or ""), "pushed": push or ""}
    session.output.show(told, lambda: facts([*told.items()]))


@app.command(cls=LocalCommand)
def push(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="What docker save, skopeo copy or headrace image build wrote.")],
    reference: Annotated[str, typer.Argument(help="registry:port/name:tag")],
    username: Username = None,
    plain: Plain = False,
    ca: Authorities = None,
) -> None:
    """Push an image from a file to a registry.

    Example: headrace image push praise.tar registry.example:5000/models/praise:1.0
    """
    session = session_of(ctx)
    way = image_files.Way(_credentials(username), plain=plain, authorities=str(ca or ""))
    try:
        digest = asyncio.run(image_files.push_file(file, reference, way, session.output.say))
    except HeadraceError as error:
        raise Failure(error.message) from error
    told = {"reference": reference, "digest": digest}
    session.output.show(told, lambda: facts([*told.items()]))


@app.command(cls=LocalCommand)
def inspect(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(help="A file, or registry:port/name:tag.")],
    username: Username = None,
    plain: Plain = False,
    ca: Authorities = None,
) -> None:
    """Show what an image says of itself, from a file or from a registry.

    Example: headrace image inspect praise.tar
    """
    session = session_of(ctx)
    way = image_files.Way(_credentials(username), plain=plain, authorities=str(ca or ""))
    try:
        found = asyncio.run(image_files.inspect(image, way))
    except HeadraceError as error:
        raise Failure(error.message) from error
    rows = [(name, size(value) if name == "size" else value) for name, value in found.items()]
    session.output.show(found, lambda: facts([(name, _text(value)) for name, value in rows]))


def _credentials(username: str | None) -> Credentials | None:
    return Credentials(username, password_of(username)) if username else None


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name}={one}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
