"""How the program beside a model waits for the server."""

import socket
import threading
import time
from pathlib import Path

from headrace.runners.harness.questions import Arriving

EXCHANGES = 50


def waits(thread):
    """How often it went to sleep."""
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    return int(status.partition("voluntary_ctxt_switches:")[2].split()[0])


def until_asleep(thread):
    stat = Path(f"/proc/self/task/{thread.native_id}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.001)


def test_is_not_woken_by_a_server_that_takes_answers():
    replica, server = socket.socketpair()
    buffer, found = bytearray(10), []
    waiting = threading.Thread(target=lambda: found.append(Arriving(replica).readinto(buffer)))
    waiting.start()
    until_asleep(waiting)
    before = waits(waiting)
    for _ in range(EXCHANGES):
        replica.sendall(b"answer")
        assert server.recv(100) == b"answer"
        until_asleep(waiting)
    assert waits(waiting) - before < EXCHANGES / 5  # none of them, but for other things that may wake a thread
    server.sendall(b"question")
    waiting.join(10)
    assert found == [8]
    assert buffer[:8] == b"question"
    replica.close()
    server.close()
