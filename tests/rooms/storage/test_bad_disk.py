"""A disk with errors: nothing that was acknowledged is lost, and it goes on by itself when the disk is sound again."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

WRITER = Path(__file__).parent / "bad_disk_writer.py"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("name=posix/io/sync/*,probability=0.05", id="fsync fails"),
        pytest.param("name=posix/io/rw/pwrite,probability=0.02,failinfo=5", id="write fails (EIO)"),
        pytest.param("name=posix/io/rw/pwrite,probability=0.02,failinfo=28", id="full now and then (ENOSPC)"),
        pytest.param("name=posix/io/rw/pwrite,probability=0.02,failinfo=30", id="read-only now and then (EROFS)"),
    ],
)
def test_what_was_acknowledged_is_there(tmp_path, fault):
    if shutil.which("fiu-run") is None:
        pytest.skip("apt-get install fiu-utils")
    command = ["fiu-run", "-x", "-c", f"enable_random {fault}", sys.executable, WRITER, tmp_path / "db"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)

    acknowledged = {int(line) for line in ended.stdout.split()}
    with sqlite3.connect(tmp_path / "db") as found:
        assert [("ok",)] == found.execute("pragma integrity_check").fetchall()
        assert acknowledged <= {number for (number,) in found.execute("select n from kept")}
    assert acknowledged == set(range(300))
