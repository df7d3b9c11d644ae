"""What an input costs in a job of a thousand, and in one of a million: the line should be flat."""

import json
from contextlib import ExitStack
from pathlib import Path

from benchmarks.jobs import ours

ROOT = Path(__file__).parent.parent.parent
FIGURE, RESULTS = ROOT / "docs" / "figures" / "jobs.png", ROOT / "benchmarks" / "out" / "jobs-growth.json"
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
TIMES = {1_000: 20, 3_000: 8, 10_000: 4}  # small jobs several times: the clock of the CPU ticks in hundredths


def main(*, postgresql: bool, plot: bool, most: int) -> None:
    found: dict[int, float] = {}
    with ExitStack() as stack:
        mine = ours.started(stack, *ours.LARGE, postgresql=postgresql)
        ours.run(mine, "warm-up", 4, 1_000)
        for inputs in (size for size in SIZES if size <= most):
            times = TIMES.get(inputs, 1)
            found[inputs] = ours.run(mine, f"{times} of {inputs:,}", times, inputs).micros
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    kept["PostgreSQL" if postgresql else "SQLite"] = found
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(kept))
    spread = max(found.values()) / min(found.values())
    ours.say(f"the dearest is {spread:.2f} times the cheapest")
    if plot:
        draw(json.loads(RESULTS.read_text()))


def draw(lines: dict[str, dict[str, float]]) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - only for the figure, and no requirement of ours

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(7, 3.5))
    for name, found in lines.items():
        sizes = [int(size) for size in found]
        axes.plot(sizes, list(found.values()), marker="o", label=name)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("inputs of the job")
    axes.set_ylabel("CPU µs per input, all our processes")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.tight_layout()
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURE, dpi=120)
