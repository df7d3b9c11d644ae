"""A server that nobody asks sleeps: a loop that polls shows here."""

import time
from pathlib import Path

from live import running

ECHO = Path(__file__).parent.parent / "contracts" / "models" / "echo"
SECONDS = 10


def wakes(pid: int) -> int:
    """How often its threads went to sleep, all together."""
    told = [status.read_text() for status in Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0]) for text in told)


def test_an_idle_server_with_a_replica_hardly_wakes_up(tmp_path) -> None:
    with running(tmp_path / "data") as server:
        server.deploy(ECHO, minimum=1, maximum=1)
        time.sleep(8)  # the slower loops find out that there is nothing to do
        before = wakes(server.process.pid)
        time.sleep(SECONDS)
        found = wakes(server.process.pid) - before

    assert found <= 3 * SECONDS  # one a second is the guard of the replica's
