"""Start to first answer, memory when idle, size of the installation.

python -m benchmarks.start
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.tree import cpu_seconds, memory_mb

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from live import Server, checked

RUNS = 5


def main() -> None:
    first, again, memory = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for run in range(RUNS):
            server = Server(Path(folder) / str(run))
            for figures in (first, again):
                server.start()
                with server.client() as client:
                    checked(client.get("/models"))
                figures.append(cpu_seconds(server.process.pid))
                time.sleep(2)
                memory.append(memory_mb(server.process.pid))
                server.stop()
    print(f"start to first answer, new data folder   {middle(first):6.2f} CPU-s   (goal 1.5)")
    print(f"start to first answer, known data folder {middle(again):6.2f} CPU-s")
    print(f"memory when idle, no replica             {middle(memory):6.1f} MB PSS  (goal 120)")
    megabytes, packages = installation()
    print(f"core installation, no bytecode           {megabytes:6.1f} MB      (goal 60)")
    print(f"packages, Headrace among them            {packages:6d}         (goal 35)")


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
