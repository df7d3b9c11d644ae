"""The guard of a replica holds its limits and ends it, whatever becomes of the log."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import pytest

from headrace.runners.guard import Guard
from headrace.runners.limits import Limits
from headrace.runners.log import Log
from headrace.runners.watch import Start

PRINTS = """
import time
time.sleep(0.3)
for _ in range(40):
    print("x" * 65536, flush=True)
open({told!r}, "w").close()
hungry = bytearray(b"x" * (200 << 20))
time.sleep(60)
"""


class BrokenLog(Log):
    def write(self, data: bytes) -> None:  # noqa: ARG002 - its place in the class
        raise RuntimeError("a fault of ours")


async def started(tmp_path: Path, log: Log, program: str) -> Guard:
    folder = tmp_path / "replica"
    (folder / "writable").mkdir(parents=True)
    command = [sys.executable, "-c", program]
    start = Start(command, dict(os.environ), (), folder, folder / "writable", sandboxed=False, model=tmp_path)
    guard = Guard("m", start, Limits(100 << 20, 100, 1 << 30, (0,)), log)
    await guard.start()
    return guard


async def test_limits_are_held_after_the_log_was_lost(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "m.log"
    guard = await started(tmp_path, Log(log), PRINTS.format(told=str(tmp_path / "told")))
    shutil.rmtree(log.parent)

    async with asyncio.timeout(20):
        ending = await guard.ended()

    assert (tmp_path / "told").exists()
    assert "of memory, its limit is 100 MB" in str(ending.limit)


async def test_a_model_ends_with_its_guard(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = (
        "import signal, time; signal.signal(signal.SIGUSR1, signal.SIG_IGN); print('x', flush=True); time.sleep(60)"
    )
    guard = await started(tmp_path, BrokenLog(tmp_path / "m.log"), program)

    async with asyncio.timeout(20):
        ending = await guard.ended()

    assert "a fault of ours" in caplog.text
    assert (-1, None) == (ending.code, ending.limit)
    with pytest.raises(ProcessLookupError):
        os.kill(guard.pid, 0)
