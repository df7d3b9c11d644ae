"""`headrace db`: upgrade, backup, restore, verify. They work on folder and database, not by the server."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from headrace.catalog.kept_blobs import kept_blobs
from headrace.cli import read_settings
from headrace.cli.command import LocalCommand, session_of
from headrace.cli.connection import default_data
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.server import named
from headrace.deployment.artefact_rows import kept_artefacts
from headrace.deployment.rows import kept_archives
from headrace.deployment.rows import kept_files as kept_imports
from headrace.domain.errors import Conflict, HeadraceError, NotFound
from headrace.jobs.history_rows import used_blobs
from headrace.jobs.sound_rows import faults
from headrace.jobs.upload_rows import kept_files as kept_uploads
from headrace.jobs.upload_rows import kept_pieces
from headrace.settings import Settings
from headrace.storage.backup import make
from headrace.storage.backup import restore as restoring
from headrace.storage.backup import verify as verifying
from headrace.storage.backup.manifest import Manifest
from headrace.storage.backup.passing import NamedFiles
from headrace.storage.installation import kept_body
from headrace.storage.migrations import HEAD
from headrace.storage.opening import connect, open_blobs, open_database
from headrace.storage.schema_revision import check_revision, revision_of

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Upgrade, back up, restore and verify the database.")
T = TypeVar("T")

NAMED = (used_blobs, kept_pieces, kept_blobs, kept_body, kept_artefacts, kept_archives)
FILES: dict[str, NamedFiles] = {"imports": kept_imports, "spool/jobs": kept_uploads}
CODES = {NotFound: ExitCode.NOT_FOUND, Conflict: ExitCode.FAILED}

Data = Annotated[Path | None, typer.Option(help="The server's data folder.")]
Config = Annotated[Path | None, typer.Option(help="Settings file; else ./headrace.toml if there is one.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="ROOM.NAME=VALUE", help="Any setting of the server.")]


@app.command(cls=LocalCommand)
def upgrade(ctx: typer.Context, data: Data = None, config: Config = None, settings: Set = None) -> None:
    """Bring the database to the schema of this Headrace. `serve` does it too. A backup of the rows is made before.

    Example: headrace db upgrade --data /srv/headrace
    """
    chosen = _settings(data, config, settings)
    before = _run(lambda: _revision(chosen))
    database = _guard(lambda: open_database(chosen.storage, chosen.data))
    database.close()
    sentence = f"the schema is {HEAD}" + ("" if before == HEAD else f"; it was {before or 'not there'}")
    session_of(ctx).output.show({"revision": HEAD, "before": before}, lambda: sentence)


@app.command(cls=LocalCommand)
def backup(
    ctx: typer.Context,
    target: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    data: Data = None,
    config: Config = None,
    settings: Set = None,
    *,
    bodies: Annotated[bool, typer.Option(help="Large bodies too; without, they stay where they are.")] = True,
) -> None:
    """Write everything into a folder, while the server runs: rows, bodies, models, secrets. Nobody else may read it.

    Example: headrace db backup /backups/monday --data /srv/headrace
    """
    chosen = _settings(data, config, settings)
    begun = time.monotonic()
    made = _run(lambda: _backup(chosen, target, bodies=bodies))
    size, rows = sum(file.size for file in made.files), sum(made.tables.values())
    told = {"folder": str(target), "files": len(made.files), "bytes": size, "rows": rows, "revision": made.revision}
    took = time.monotonic() - begun
    session_of(ctx).output.show(
        told, lambda: f"{target}: {rows:,} rows, {len(made.files):,} files, {size / 1e6:,.1f} MB in {took:.1f} s"
    )


@app.command(cls=LocalCommand)
def restore(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(help="A folder that `headrace db backup` wrote.")],
    data: Data = None,
    config: Config = None,
    settings: Set = None,
) -> None:
    """Bring a backup into a data folder and a database where nothing is yet. Refuses anything else.

    A backup of SQLite may be restored into PostgreSQL, and the other way round.

    Example: headrace db restore /backups/monday --data /srv/new --set storage.url=postgresql://headrace@db/headrace
    """
    chosen = _settings(data, config, settings)
    found = _run(lambda: restoring.restore(source, chosen))
    rows = sum(found.tables.values())
    told = {"data": str(chosen.data), "rows": rows, "revision": found.revision}
    session_of(ctx).output.show(told, lambda: f"{chosen.data}: {rows:,} rows are back; start the server with it")


@app.command(cls=LocalCommand)
def verify(
    ctx: typer.Context,
    source: Annotated[Path | None, typer.Argument(help="A backup; without it the database in use is verified.")] = None,
    data: Data = None,
    config: Config = None,
    settings: Set = None,
) -> None:
    """Read everything and name what is not as it was written. Also while the server runs.

    Example: headrace db verify /backups/monday
    """
    chosen = _settings(data, config, settings)
    what = f"the database of {chosen.data}" if source is None else str(source)
    found = _run(lambda: _faults(chosen, source))
    output = session_of(ctx).output
    output.show({"faults": found}, lambda: "\n".join(found) or f"{what}: everything is as it was written")
    if found:
        raise Failure(f"{what} has {len(found)} faults", ExitCode.FAILED)


async def _revision(settings: Settings) -> str | None:
    database = connect(settings.storage, settings.data)
    try:
        found = await database.read(revision_of)
        check_revision(found)
    finally:
        database.close()
    return found


async def _backup(settings: Settings, target: Path, *, bodies: bool) -> Manifest:
    _check_there(settings)
    database = connect(settings.storage, settings.data)
    try:
        store = open_blobs(settings.storage, settings.data, beside=True) if bodies else None
        return await make.backup(database, store, settings, target, make.Names(NAMED, FILES))
    finally:
        database.close()


async def _faults(settings: Settings, source: Path | None) -> list[str]:
    if source is not None:
        return list(verifying.of_backup(source))
    _check_there(settings)
    database = connect(settings.storage, settings.data)
    try:
        store = open_blobs(settings.storage, settings.data, beside=True)
        found = [sentence async for sentence in verifying.of_database(database, store, NAMED)]
        return found + await database.read(lambda tx: list(faults(tx)))
    finally:
        database.close()


def _check_there(settings: Settings) -> None:
    if not (settings.data / "secrets").is_dir():
        raise NotFound(f"{settings.data} is no data folder of a server: name it by --data")


def _settings(data: Path | None, config: Path | None, settings: list[str] | None) -> Settings:
    flags = named(settings or [])
    if data is not None:
        flags["data"] = str(data)
    return read_settings.read(flags, os.environ, config, default_data())


def _run(work: Callable[[], Awaitable[T]]) -> T:
    async def whole() -> T:
        return await work()

    return _guard(lambda: asyncio.run(whole()))


def _guard(work: Callable[[], T]) -> T:
    try:
        return work()
    except HeadraceError as error:
        raise Failure(error.message, CODES.get(type(error), ExitCode.FAILED)) from error
