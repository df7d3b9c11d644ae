"""Jobs through HTTP and a real replica whose model does nothing: inputs/s, and the CPU of all our processes per input.

python -m benchmarks.jobs                     ours on SQLite (synchronous=FULL): sizes, latency, recovery
python -m benchmarks.jobs --postgresql        on PostgreSQL
python -m benchmarks.jobs --peers             beside celery, dramatiq, taskiq, huey, pgqueuer and procrastinate
python -m benchmarks.jobs --growth --plot     CPU per input from 1e3 to 1e6, to docs/figures/jobs.png
"""

import argparse
from contextlib import ExitStack

from benchmarks.jobs import beside, growth, ours, recovery


def main() -> None:
    asked = arguments()
    if asked.peers:
        beside.main(asked.items, asked.rounds, asked.only)
        return
    if asked.growth:
        growth.main(postgresql=asked.postgresql, plot=asked.plot, most=asked.most)
        return
    with ExitStack() as stack:
        mine = ours.started(stack, postgresql=asked.postgresql)
        ours.run(mine, "warm-up, 1 job of 1,000", 1, 1_000)
        for inputs in (1_000, 10_000) if asked.quick else (1_000, 10_000, 100_000):
            ours.run(mine, f"1 job of {inputs:,}", 1, inputs)
        ours.run(mine, "1,000 jobs of 10", 100 if asked.quick else 1_000, 10)
        ours.latency(mine)
    if not asked.quick:
        recovery.main()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--only", default="", help="names of peers, with commas")
    parser.add_argument("--items", type=int, default=2_000, help="for each peer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--most", type=int, default=1_000_000, help="inputs of the largest job")
    parser.add_argument("--plot", action="store_true", help="needs matplotlib")
    return parser.parse_args()


if __name__ == "__main__":
    main()
