"""A server that is restarted under load: whoever got a connection gets an answer; only connections are refused.

Five restarts; a hundred with `--full`.
"""

import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from live import Server, checked, wait_for

ECHO = Path(__file__).parent.parent / "contracts" / "models" / "echo"
INFER = {"inputs": [{"name": "input.txt", "shape": [1], "datatype": "BYTES", "data": ["hello"]}]}


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path / "data").start()
    yield server
    server.stop()


@dataclass
class Load:
    """Clients that ask without a pause, over connections that they keep."""

    server: Server
    model: str
    answers: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        headers = {"Authorization": f"ApiKey {self.server.key}"}
        with httpx2.Client(base_url=self.server.url, headers=headers, timeout=60, verify=False) as client:
            for ask in itertools.cycle((self.submit, self.read, self.infer, self.list)):
                if self.over.is_set():
                    return
                self.once(client, ask)

    def once(self, client, ask) -> None:
        try:
            ask(client)
        except httpx2.ConnectError:
            self.refused += 1
            time.sleep(0.02)
        except (httpx2.TransportError, AssertionError) as error:
            self.failures.append(f"{ask.__name__}: {error!r}")

    def submit(self, client) -> None:
        job = {
            "model": {"identifier": self.model, "version": "1.0.0"},
            "input": {"type": "text", "sources": {"one": {"input.txt": "hello"}}},
        }
        self.jobs.append(checked(client.post("/api/jobs", json=job)).json()["jobIdentifier"])
        self.answers["submit"] += 1

    def read(self, client) -> None:
        if self.jobs:
            checked(client.get(f"/api/jobs/{self.jobs[-1]}"))
            self.answers["read"] += 1

    def list(self, client) -> None:
        checked(client.get("/api/models"))
        self.answers["list"] += 1

    def infer(self, client) -> None:
        checked(client.post(f"/v2/models/{self.model}/infer", json=INFER))
        self.answers["infer"] += 1


def test_a_restart_under_load_fails_no_request(server, request):
    load = Load(server, server.deploy(ECHO, minimum=1))
    clients = [threading.Thread(target=load.run) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        for number in range(100 if request.config.getoption("--full") else 5):
            before = load.answers.total()
            wait_for(lambda before=before: load.failures or load.answers.total() > before + 20)
            assert 0 == server.stop() or -15 == server.process.returncode
            server.start()
            assert [] == load.failures, f"after {number} restarts"
    finally:
        load.over.set()
        for client in clients:
            client.join()

    assert [] == load.failures
    assert {"submit", "read", "list", "infer"} == set(load.answers)
    with server.client() as client:
        for job in load.jobs:
            wait_for(lambda job=job: "COMPLETED" == checked(client.get(f"/jobs/{job}")).json()["status"])
