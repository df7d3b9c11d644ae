"""Jobs through HTTP and a real replica whose model does nothing: inputs/s, and the CPU of all our processes per input.

python -m benchmarks.jobs [--quick]
"""

import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.tree import cpu_seconds

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from live import Server, checked, wait_for

NOOP = Path(__file__).parent / "models" / "noop"
INPUT = json.dumps({"text": "x" * 180})  # about 200 bytes


def main(quick: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data").start()
        try:
            model = server.deploy(NOOP, "noop", maximum=1, minimum=1)
            run(server, model, "warm-up, 1 job of 1,000", 1, 1_000)
            for inputs in (1_000, 10_000) if quick else (1_000, 10_000, 100_000):
                run(server, model, f"1 job of {inputs:,}", 1, inputs)
            run(server, model, "1,000 jobs of 10", 100 if quick else 1_000, 10)
            latency(server, model)
        finally:
            server.stop()


def run(server: Server, model: str, name: str, jobs: int, inputs: int) -> None:
    bodies = [body(model, inputs, job) for job in range(jobs)]
    before, begun = cpu_seconds(server.process.pid), time.perf_counter()
    with server.client() as client, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: submit(client, one), bodies))
        submitted = time.perf_counter() - begun
        pending = {"status": "pending", "page": 1, "per-page": 1}
        wait_for(lambda: not checked(client.get("/jobs/history", params=pending)).json(), 600)
    took, cpu = time.perf_counter() - begun, cpu_seconds(server.process.pid) - before
    total = jobs * inputs
    print(
        f"{name:26}  submit {submitted:6.2f} s  all {took:6.2f} s  {total / took:8,.0f} inputs/s"
        f"  {cpu / total * 1e6:7.1f} CPU µs/input",
        flush=True,
    )


def latency(server: Server, model: str, rounds: int = 200) -> None:
    """One job of one input: from the request to the stored result in the caller's hands."""
    times = []
    with server.client() as client:
        for number in range(rounds):
            begun = time.perf_counter()
            job = submit(client, body(model, 1, number))
            checked(client.get(f"/results/{job}"))
            times.append(time.perf_counter() - begun)
    times.sort()
    middle, high = times[rounds // 2] * 1e3, times[rounds * 99 // 100] * 1e3
    print(f"1 job of 1, submit → result  p50 {middle:.1f} ms  p99 {high:.1f} ms")


def body(model: str, inputs: int, job: int) -> bytes:
    sources = {f"{job}-{number}": {"input.txt": INPUT} for number in range(inputs)}
    return json.dumps(
        {"model": {"identifier": model, "version": "1.0.0"}, "input": {"type": "text", "sources": sources}}
    ).encode()


def submit(client, content: bytes) -> str:
    answer = client.post("/jobs", content=content, headers={"Content-Type": "application/json"})
    return checked(answer).json()["jobIdentifier"]


if __name__ == "__main__":
    main("--quick" in sys.argv)
