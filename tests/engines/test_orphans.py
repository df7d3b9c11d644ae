"""When the server is killed, its models are gone a moment later, with all that they started."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from engines.keeper import need_sandbox, pids_with

SERVER = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from engines.conftest import new_keeper
from engines.keeper import answers
from headrace.domain.question import Question

async def main():
    keeper = new_keeper(Path(sys.argv[2]), sys.argv[3])
    async with keeper.engine("leaves_a_child") as (_, frames):
        await frames.ready(10)
        await answers(frames, [Question({"input.txt": b"bad"})])
        print("ready", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("isolation", ["process", "sandbox"])
async def test_nothing_outlives_a_server_that_is_killed(tmp_path, isolation: str) -> None:
    if isolation == "sandbox":
        need_sandbox()
    tests = str(Path(__file__).parents[1])
    with subprocess.Popen(  # noqa: ASYNC220 - it is killed like one that nobody looks after
        [sys.executable, "-c", SERVER, tests, str(tmp_path), isolation], stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        assert b"ready\n" == await asyncio.to_thread(server.stdout.readline)
        async with asyncio.timeout(5):
            while not pids_with("headrace-stray"):
                await asyncio.sleep(0.01)
        os.kill(server.pid, signal.SIGKILL)

    async with asyncio.timeout(5):
        while pids_with(str(tmp_path)) or pids_with("headrace-stray"):
            await asyncio.sleep(0.01)
