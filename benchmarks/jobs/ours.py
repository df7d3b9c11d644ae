"""Headrace's own figures: one server, one replica of a model that does nothing, jobs over HTTP."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.tree import cpu_seconds, memory_mb

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tests"))
from live import Server, checked, wait_for
from postgres import postgres, wheel

NOOP = Path(__file__).parent.parent / "models" / "noop"
INPUT = json.dumps({"text": "x" * 180})  # about 200 bytes
LARGE = ("server.json_limit=1000000000", "jobs.inputs=10000000")  # for the job of a million


@dataclass
class Figures:
    submit: float
    took: float
    inputs: int
    cpu: float  # seconds

    @property
    def rate(self) -> float:
        return self.inputs / self.took

    @property
    def micros(self) -> float:
        return self.cpu / self.inputs * 1e6


@dataclass
class Ours:
    """A running server, its model, and the process of its database where that is another one."""

    server: Server
    model: str
    database: int = 0

    @property
    def cpu(self) -> float:
        return cpu_seconds(self.server.process.pid) + (cpu_seconds(self.database) if self.database else 0.0)


def started(stack: ExitStack, *settings: str, postgresql: bool = False) -> Ours:
    """A server with the model, and a PostgreSQL that syncs every commit where it is asked for."""
    folder, pid = stack.enter_context(tempfile.TemporaryDirectory()), 0
    if postgresql:
        store: Any = stack.enter_context(database())
        settings, pid = (*settings, f"storage.url={store.url()}"), store.process.pid
    server = Server(Path(folder) / "data", *settings).start()
    stack.callback(server.stop)
    return Ours(server, server.deploy(NOOP, "noop", maximum=1, minimum=1), pid)


@contextmanager
def database() -> Iterator[object]:
    with postgres(wheel(), "shared_buffers=128MB") as server:
        yield server


def run(mine: Ours, name: str, jobs: int, inputs: int) -> Figures:
    bodies = [body(mine.model, inputs, job) for job in range(jobs)]
    before, begun = mine.cpu, time.perf_counter()
    with mine.server.client() as client, ThreadPoolExecutor(4) as pool:
        client.timeout = httpx2.Timeout(600)
        list(pool.map(lambda one: submit(client, one), bodies))
        submitted = time.perf_counter() - begun
        pending = {"status": "pending", "page": 1, "per-page": 1}
        wait_for(lambda: not checked(client.get("/jobs/history", params=pending)).json(), 1_800)
    took, cpu = time.perf_counter() - begun, mine.cpu - before
    found = Figures(submitted, took, jobs * inputs, cpu)
    say(
        f"{name:26}  submit {submitted:6.2f} s  all {took:6.2f} s  {found.rate:8,.0f} inputs/s"
        f"  {found.micros:7.1f} CPU µs/input  {memory_mb(mine.server.process.pid):6,.0f} MB"
    )
    return found


def latency(mine: Ours, rounds: int = 200) -> None:
    """One job of one input: from the request to the stored result in the caller's hands."""
    times = []
    with mine.server.client() as client:
        for number in range(rounds):
            begun = time.perf_counter()
            job = submit(client, body(mine.model, 1, number))
            checked(client.get(f"/results/{job}"))
            times.append(time.perf_counter() - begun)
    times.sort()
    middle, high = times[rounds // 2] * 1e3, times[rounds * 99 // 100] * 1e3
    say(f"1 job of 1, submit → result  p50 {middle:.1f} ms  p99 {high:.1f} ms")


def body(model: str, inputs: int, job: int = 0, content: str = INPUT) -> bytes:
    sources = {f"{job}-{number}": {"input.txt": content} for number in range(inputs)}
    return json.dumps(
        {"model": {"identifier": model, "version": "1.0.0"}, "input": {"type": "text", "sources": sources}}
    ).encode()


def submit(client: httpx2.Client, content: bytes) -> str:
    answer = client.post("/jobs", content=content, headers={"Content-Type": "application/json"})
    identifier: str = checked(answer).json()["jobIdentifier"]
    return identifier


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
