"""Ten thousand changed bodies for every reader of foreign bytes: see tools/fuzz.py.

Each in a process of its own: what ends it there would end the server.
"""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parent.parent.parent / "tools" / "fuzz.py"
NAMES = sorted(runpy.run_path(str(TOOL))["targets"]())
RUNS = 10_000


@pytest.mark.parametrize("name", NAMES)
def test_whatever_comes_is_read_or_refused(name):
    command = [sys.executable, "-X", "faulthandler", str(TOOL), name, "--runs", str(RUNS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert 0 == done.returncode, (done.stdout + done.stderr)[-3000:]
