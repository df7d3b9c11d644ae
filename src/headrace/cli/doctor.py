"""`headrace doctor`: what this machine offers, whether a server answers, and the cure for what is missing."""

import asyncio
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import typer
from rich.console import RenderableType
from rich.text import Text

from headrace.cli import read_settings
from headrace.cli.command import ServerCommand, Session, session_of
from headrace.cli.connection import default_data
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.keys import own_key
from headrace.cli.output import clean, size, table
from headrace.domain.errors import HeadraceError
from headrace.runners import choose, images
from headrace.settings import Settings
from headrace.storage import opening

app = typer.Typer(add_completion=False)

LEAST_PYTHON = (3, 11)
LITTLE_DISK = 2 << 30  # bytes: one model with its environment may need half of it


class Health(StrEnum):
    GOOD = "good"
    WEAK = "weak"  # works, but less well than it could
    BAD = "bad"


MARKS = {Health.GOOD: ("✓", "green"), Health.WEAK: ("!", "yellow"), Health.BAD: ("✗", "red")}


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    health: Health
    fact: str
    cure: str = ""


@app.command(cls=ServerCommand)
def doctor(ctx: typer.Context) -> None:
    """Check this machine and the connection to the server. Ends with 1 when something is bad."""
    session = session_of(ctx)
    found = [*_machine(), *_server(session)]
    session.output.show([asdict(one) for one in found], lambda: _table(found))
    if any(one.health is Health.BAD for one in found):
        raise typer.Exit(ExitCode.FAILED)


def _table(found: list[Finding]) -> RenderableType:
    rows = []
    for one in found:
        mark, colour = MARKS[one.health]
        fact = Text(clean(one.fact))
        if one.cure:
            fact.append(f"\n→ {clean(one.cure)}", style=colour)
        rows.append((Text(mark, style=colour), one.what, fact))
    return table(("", "what", "found"), rows)


def _machine() -> Iterator[Finding]:
    yield _system()
    yield _python()
    try:
        settings = read_settings.read({}, os.environ, None, default_data())
    except Failure as failure:
        yield Finding("settings", Health.BAD, failure.message, "`headrace serve` reads the same settings: mend them")
        return
    checks: tuple[Callable[[Settings], Finding], ...] = (
        _uv,
        _isolation,
        _images,
        _data_folder,
        _disk,
        _database,
        _port,
    )
    for check in checks:
        yield check(settings)


def _system() -> Finding:
    facts = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, {_memory()}"
    if sys.platform != "linux":
        return Finding("system", Health.WEAK, facts, "models run best on Linux: only there is a sandbox for them")
    return Finding("system", Health.GOOD, facts)


def _memory() -> str:
    try:
        return f"{size(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES'))} memory"
    except (ValueError, OSError):
        return "memory unknown"


def _python() -> Finding:
    facts = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < LEAST_PYTHON:
        return Finding("python", Health.BAD, facts, "install Python 3.11 or newer")
    return Finding("python", Health.GOOD, facts)


def _uv(settings: Settings) -> Finding:
    """Where the server looks for it: the setting, beside the interpreter, in PATH, where it was fetched to."""
    if named := settings.runners.uv:
        if found := shutil.which(named):
            return Finding("uv", Health.GOOD, found)
        return Finding("uv", Health.BAD, f"runners.uv names {named}, which cannot be run", "correct that setting")
    fetched = settings.data / "tools" / "uv" / "bin"
    for folder in (str(Path(sys.executable).parent), None, str(fetched)):
        if found := shutil.which("uv", path=folder):
            return Finding("uv", Health.GOOD, found)
    return Finding(
        "uv",
        Health.WEAK,
        "not found; the server fetches it once, with pip, when the first model comes",
        "install it (pip install uv), or name it: --set runners.uv=/path/of/uv",
    )


def _isolation(settings: Settings) -> Finding:
    """The level in force, found as the server finds it at its start: by trying."""
    fact = choose.describe(settings.runners)
    if settings.runners.sandbox != "off" and choose.sandbox_fault() is None:
        return Finding("isolation", Health.GOOD, fact)
    return Finding("isolation", Health.WEAK, fact, "install bubblewrap, and allow unprivileged user namespaces")


def _images(settings: Settings) -> Finding:
    """The engine is asked, and where only podman's program is there, its service is started for a moment."""
    good, fact = asyncio.run(images.describe(settings.runners))
    if good or settings.runners.engine == "off":
        return Finding("container images", Health.GOOD, fact)
    return Finding("container images", Health.WEAK, fact, "install podman (apt-get install podman), or docker")


def _data_folder(settings: Settings) -> Finding:
    data = settings.data
    nearest = _nearest(data)
    if not os.access(nearest, os.W_OK):
        return Finding(
            "data folder", Health.BAD, f"{data}: {nearest} cannot be written", "choose another: --data FOLDER"
        )
    return Finding("data folder", Health.GOOD, f"{data}" + ("" if data.exists() else " (made at the first start)"))


def _nearest(folder: Path) -> Path:
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(_nearest(settings.data)).free
    if free < LITTLE_DISK:
        return Finding(
            "disk", Health.WEAK, f"{size(free)} free", "free some space, or choose another disk: --data FOLDER"
        )
    return Finding("disk", Health.GOOD, f"{size(free)} free")


def _database(settings: Settings) -> Finding:
    if not settings.storage.url.startswith(opening.POSTGRESQL):
        return Finding("database", Health.GOOD, f"SQLite, {opening.sqlite_path(settings.storage, settings.data)}")
    try:
        good, fact = opening.describe(settings.storage)
    except HeadraceError as error:
        return Finding("database", Health.BAD, error.message, "mend it, or what storage.url says")
    if good:
        return Finding("database", Health.GOOD, fact)
    return Finding("database", Health.WEAK, fact, "let Headrace connect to PostgreSQL directly")


def _port(settings: Settings) -> Finding:
    host, port = settings.server.host, settings.server.port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            fact = f"{host}:{port} is in use ({error.strerror}), by a server or another program: --port chooses another"
            return Finding("port", Health.GOOD, fact)
    return Finding("port", Health.GOOD, f"{host}:{port} is free")


def _server(session: Session) -> Iterator[Finding]:
    """Nothing is bad about a server that was never started."""
    try:
        target = session.target()
    except Failure as failure:
        health = Health.BAD if failure.code is ExitCode.DENIED else Health.WEAK
        yield Finding("server", health, failure.message, failure.cure)
        return
    try:
        key = own_key(session.api)
    except Failure as failure:
        reached = failure.code in {ExitCode.DENIED, ExitCode.NOT_FOUND}
        if reached:
            yield Finding("server", Health.GOOD, f"{target.url} answers (told by {target.told_by})")
        yield Finding("key" if reached else "server", Health.BAD, failure.message, failure.cure)
        return
    yield Finding("server", Health.GOOD, f"{target.url} answers (told by {target.told_by})")
    owner = f" of {key.user.email}" if key.user else ""
    yield Finding("key", Health.GOOD, f"{key.prefix}{owner}: {', '.join(key.roles)}")
