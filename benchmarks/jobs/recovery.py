"""Something is killed with SIGKILL in the middle of the work: how long until its inputs can be asked again?"""

import os
import re
import signal
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median

import httpx2

from benchmarks.jobs import ours
from benchmarks.tree import below

SLOW = Path(__file__).parent.parent / "models" / "slow"
PATIENCE = 5.0  # seconds
TRIES = 10  # kills, one of which hits the middle of a claim
PAUSE = 0.005  # seconds between two looks


def main(rounds: int = 5) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = ours.Server(Path(folder) / "data", "jobs.strikes=1000").start()
        try:
            model = server.deploy(SLOW, "slow", tests={"input.txt": b"0"}, maximum=1, minimum=1)
            with server.client() as client:
                ours.submit(client, ours.body(model, 2_000, content="0.05"))
                replica = [killed_replica(server, client) for _ in range(rounds)]
            restarts = [killed_server(server) for _ in range(rounds)]
        finally:
            server.stop()
    ours.say(f"kill -9 of a replica: its inputs are in the queue again after {median(replica) * 1e3:.0f} ms (median)")
    ready, back = zip(*restarts, strict=True)
    ours.say(
        f"kill -9 of the server: ready {median(ready):.2f} s after its new start,"
        f" the inputs under way are in the queue again after {median(back):.2f} s"
    )


def killed_replica(server: ours.Server, client: httpx2.Client) -> float:
    """Until the inputs that it worked on were put back."""
    for _ in range(TRIES):
        before = retries(server, client)
        ours.wait_for(lambda: replica_of(server))
        time.sleep(0.3)  # it has loaded the model
        ours.wait_for(lambda: under_way(server))
        begun = time.perf_counter()
        os.kill(replica_of(server), signal.SIGKILL)
        while time.perf_counter() - begun < PATIENCE:
            if retries(server, client) != before:
                return time.perf_counter() - begun
            time.sleep(PAUSE)
    raise TimeoutError("nothing came back")


def killed_server(server: ours.Server) -> tuple[float, float]:
    ours.wait_for(lambda: under_way(server))
    held = under_way(server)
    server.kill()
    begun = time.perf_counter()
    server.start()
    ready = time.perf_counter() - begun
    while under_way(server) & held:
        time.sleep(PAUSE)
    return ready, time.perf_counter() - begun


def under_way(server: ours.Server) -> set[str]:
    """The tokens of the claims that somebody holds."""
    with sqlite3.connect(f"file:{server.data / 'headrace.db'}?mode=ro", uri=True) as database:
        return {token for (token,) in database.execute("select token from lease where token is not null")}


def retries(server: ours.Server, client: httpx2.Client) -> int:
    text = client.get(f"{server.url}/metrics").text
    found = re.search(r"^headrace_input_retries_total(?:\{\})? (\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def replica_of(server: ours.Server) -> int:
    """The process that runs the model: the last that was started below the server."""
    for pid in sorted(below(server.process.pid), reverse=True):
        if (
            "harness" in Path(f"/proc/{pid}/cmdline").read_text()
            and "bwrap" not in Path(f"/proc/{pid}/comm").read_text()
        ):
            return pid
    return 0
