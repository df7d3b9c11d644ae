"""Start to first answer, what an idle server with one loaded replica takes, size of the installation.

python -m benchmarks.start
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.tree import cpu_seconds, memory_mb, running_ms

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from live import Server, checked

RUNS = 5
ECHO = Path(__file__).parent / "serving" / "served" / "echo"
SETTLE, IDLE = 20, 60  # seconds; the slowest rounds of the server come once a minute


def main() -> None:
    first, again, seconds, memory = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for run in range(RUNS):
            server = Server(Path(folder) / str(run))
            for figures in (first, again):
                begun = time.monotonic()
                server.start()
                seconds.append(time.monotonic() - begun)
                with server.client() as client:
                    checked(client.get("/models"))
                figures.append(cpu_seconds(server.process.pid))
                time.sleep(2)
                memory.append(memory_mb(server.process.pid))
                server.stop()
        at_rest, with_replica = idle(Path(folder) / "idle")
    print(f"start to first answer, new data folder   {middle(first):6.2f} CPU-s   (goal 1.5)")
    print(f"start to first answer, known data folder {middle(again):6.2f} CPU-s")
    print(f"start to ready                           {middle(seconds):6.2f} s       (goal 3)")
    print(f"memory when idle, no replica             {middle(memory):6.1f} MB PSS  (goal 120)")
    print(f"memory when idle, one replica            {with_replica:6.1f} MB PSS  (goal 150)")
    print(f"processor when idle, one replica         {at_rest:6.2f} ms/s    (goal 1)")
    megabytes, packages = installation()
    print(f"core installation, no bytecode           {megabytes:6.1f} MB      (goal 60)")
    print(f"packages, Headrace among them            {packages:6d}         (goal 35)")


def idle(data: Path) -> tuple[float, float]:
    """Of a server whose one replica waits for questions: CPU ms per second of all processes, and MB."""
    server = Server(data).start()
    try:
        server.deploy(ECHO, tests={"x": b"[[1, 2, 3, 4]]"}, minimum=1, maximum=1, seconds=300)
        time.sleep(SETTLE)
        before, begun = running_ms(server.process.pid), time.monotonic()
        time.sleep(IDLE)
        taken = (running_ms(server.process.pid) - before) / (time.monotonic() - begun)
        return taken, memory_mb(server.process.pid)
    finally:
        server.stop()


def installation() -> tuple[float, int]:
    """Of the wheel in an empty environment, as `pip install headrace` leaves it."""
    root = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["uv", "venv", "-q", "--python", sys.executable, f"{folder}/venv"], check=True)
        subprocess.run(["uv", "build", "-q", "--wheel", "-o", f"{folder}/dist", str(root)], check=True)
        [wheel] = Path(folder, "dist").glob("*.whl")
        python = f"{folder}/venv/bin/python"
        subprocess.run(["uv", "pip", "install", "-q", "--python", python, str(wheel)], check=True)
        packages = list(Path(folder, "venv").glob("lib/python*/site-packages/*.dist-info"))
        size = sum(path.stat().st_size for path in Path(folder, "venv").rglob("*") if path.is_file())
    return size / 1e6, len(packages)


def middle(figures: list[float]) -> float:
    return sorted(figures)[len(figures) // 2]


if __name__ == "__main__":
    main()
