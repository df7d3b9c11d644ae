"""A real PgBouncer for tests, in a folder of its own and on a free port: what stands between us and a PostgreSQL."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from live import free_port

INSTALL = "apt-get install pgbouncer"


@contextmanager
def pgbouncer(postgres, mode="transaction", size=20):
    """Gives a function from a database's name to its URL through the pooler. `mode`: transaction or session."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.skip(f"there is no pgbouncer: {INSTALL}")
    folder = Path(tempfile.mkdtemp(prefix="hr-pgb-"))
    port, user = free_port(), {}
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "ini").write_text(
        "[databases]\n"
        f"* = host={postgres.folder} port={postgres.port} user=postgres\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {folder / 'users'}\n"
        f"pool_mode = {mode}\ndefault_pool_size = {size}\nmax_client_conn = 200\n"
    )
    if os.geteuid() == 0:  # it refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    folder.chmod(0o755)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [program, folder / "ini"], stdout=log, stderr=log, start_new_session=True, cwd=folder, **user
        )
    try:
        _wait(f"postgresql://postgres@127.0.0.1:{port}/postgres", process, folder / "log")
        yield lambda name: f"postgresql://postgres@127.0.0.1:{port}/{name}"
    finally:
        process.kill()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url, process, log):
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(log.read_text()) from error
            time.sleep(0.02)
        else:
            return
