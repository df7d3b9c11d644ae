"""`headrace deploy`: a model folder becomes an active version."""

import re
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from headrace.cli import foreign, model_folder
from headrace.cli.command import ServerCommand, Session, session_of
from headrace.cli.deployment_steps import Deployed, Deployment, Wishes, is_request
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.model_folder import ModelFolder
from headrace.cli.new_version import choose_version, existing
from headrace.cli.output import facts, program
from headrace.cli.registry_password import USERNAME_HELP, password_of
from headrace.cli.shapes import ModelRow
from headrace.cli.ticks import Ticks

app = typer.Typer(add_completion=False)

TITLES = 24  # characters of the widest title of a step


@app.command(cls=ServerCommand)
def deploy(  # noqa: PLR0913 - one parameter for each option of the command
    ctx: typer.Context,
    model_path: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A folder with model.py or a known format, or with several; or an image's file."
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="The model's name; else the one its files say, else the folder's.")
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Like 1.2.0; else the one its files say, or the next free one.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Add a version to this model; else the one with that name.")] = None,
    test_input: Annotated[
        list[str] | None,
        typer.Option(
            "--input", metavar="[INPUT=]FILE", help="Test file; else those in test_input/, else zeros. May be repeated."
        ),
    ] = None,
    minimum: Annotated[int | None, typer.Option(min=0, help="Engines that always run.")] = None,
    maximum: Annotated[int | None, typer.Option(min=1, help="Engines that may run at once.")] = None,
    on_server: Annotated[
        bool,
        typer.Option("--on-server", help="The folder is on the server, in one of images.folders: do not upload it."),
    ] = False,
    registry: Annotated[
        bool,
        typer.Option("--registry", help="MODEL is an image in a registry, like registry.example:5000/team/praise:1.0."),
    ] = False,
    username: Annotated[str | None, typer.Option(help=USERNAME_HELP)] = None,
) -> None:
    """Deploy a model folder or an image: upload, tests, description, activation, in the seventeen documented steps.

    Example: headrace deploy ./my-model --version 1.2.0 --input image=photo.jpg --maximum 2
    """
    session = session_of(ctx)
    several = [] if registry else foreign.models_in(Path(model_path))
    if several:
        _check_for_one(several, name, model, test_input)
        _each(ctx, several, version=version, minimum=minimum, maximum=maximum, on_server=on_server)
        return
    found = _of_registry(model_path) if registry else _read(session, Path(model_path))
    row = existing(session.api, name or found.name, model)
    wishes = Wishes(
        name=name or (row.name if row and model else found.name),
        version=choose_version(version, found, row),
        chosen=version is None,
        test_files=_test_files(test_input or [], found),
        minimum=minimum,
        maximum=maximum,
        on_server=on_server,
        registry=_registry(model_path, username) if registry else None,
    )
    deployed = go(session, found, wishes, row)
    _show(session, wishes, deployed)


def _show(session: Session, wishes: Wishes, deployed: Deployed) -> None:
    session.output.show(
        {
            "modelId": deployed.model_id,
            "version": deployed.version,
            "name": wishes.name,
            "url": deployed.url,
            "testStatus": deployed.test_status,
        },
        lambda: _summary(wishes, deployed),
    )
    files = [f"--file {shlex.quote(f'{key}={path}')}" for key, path in deployed.test_files.items()]
    shown = " ".join(files) or "--file request.json=FILE"
    session.output.say(f"try: {program()} jobs submit {deployed.model_id} {shown} --wait")


def _of_registry(reference: str) -> ModelFolder:
    return ModelFolder(Path(reference), {"name": re.split("[:@]", reference.rpartition("/")[2])[0]})


def _read(session: Session, path: Path) -> ModelFolder:
    for sentence in foreign.left_out(path):
        session.output.say(sentence, "yellow")
    return model_folder.read(path)


def _check_for_one(folders: list[Path], *wishes: object) -> None:
    if any(wishes):
        raise Failure(
            f"there are {len(folders)} models: {', '.join(one.name for one in folders)}",
            ExitCode.USAGE,
            cure="--name, --model and --input are for one of them: name its folder",
        )


def _each(ctx: typer.Context, folders: list[Path], **wishes: Any) -> None:
    """A repository's models, one after the other; one that fails keeps no other from being deployed."""
    output, failed = session_of(ctx).output, []
    for folder in folders:
        output.say(f"{folder}:", "bold")
        try:
            deploy(ctx, str(folder), **wishes)
        except Failure as failure:
            output.fail(failure)
            failed.append(folder.name)
    if failed:
        raise Failure(f"{len(failed)} of {len(folders)} models were not deployed: {', '.join(failed)}")


def _registry(reference: str, username: str | None) -> dict[str, str]:
    """As the container-image route takes it."""
    if username is None:
        return {"url": reference}
    return {"url": reference, "username": username, "password": password_of(username)}


def _summary(wishes: Wishes, deployed: Deployed) -> RenderableType:
    return facts(
        (("model", deployed.model_id), ("version", deployed.version), ("name", wishes.name), ("url", deployed.url))
    )


def go(session: Session, folder: ModelFolder, wishes: Wishes, row: ModelRow | None) -> Deployed:
    return Deployment(session.api, folder, wishes, row.model_id if row else "").go(Ticks(session.output, TITLES))


def _test_files(given: list[str], folder: ModelFolder) -> dict[str, Path]:
    names = [one["name"] for one in folder.inputs()]
    files = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals:
            if len(names) != 1 and not is_request(Path(text)):
                raise Failure(
                    f"--input {text}: say for which input, like {(names or ['input'])[0]}={text}", ExitCode.USAGE
                )
            name, path = names[0] if len(names) == 1 else model_folder.REQUEST, text
        if not Path(path).is_file():
            raise Failure(f"{path} is not a file", ExitCode.USAGE)
        files[name] = Path(path)
    return files
