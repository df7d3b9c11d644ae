"""Requests/s, latency, CPU and memory of inference, ours and the peers', in one interleaved run (A B C A B C …).

python -m benchmarks.serving [--seconds 3] [--rounds 3] [--only echo] [--peers Headrace,Triton] [--plot]

The floors are no servers, but what remains of one when nothing is done (served/of_floor.py).
Each server is on one core, the load generator on another. CPU is that of all of a server's processes. On a machine that
others use rates drift; the CPU per request and the ratios of one run hold.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.serving.peers import OUT, Peer, all_peers, make_models, started
from benchmarks.serving.requests import WORKLOADS, Workload
from benchmarks.serving.table import Figures, show
from benchmarks.tree import cpu_seconds, memory_mb

RESULTS = OUT / "serving.json"


def main() -> None:
    options = arguments()
    names = options.peers.split(",") if options.peers else None
    peers = [peer for peer in all_peers() if names is None or peer.name in names]
    workloads = [one for one in WORKLOADS if options.only in one.name]
    make_models()
    found: dict[tuple[str, str], list[Figures]] = {}
    with ExitStack() as stack:
        running = started(peers, stack)
        for workload in workloads:
            for _ in range(options.rounds):
                for peer in running:
                    if peer.takes(workload):
                        figures = measured(peer, workload, options.seconds)
                        found.setdefault((workload.name, peer.name), []).append(figures)
                        print(f"{workload.name:18} {peer.name:12} {figures}", flush=True)
    middle = {key: middle_of(several) for key, several in found.items()}
    print()
    show([one.name for one in workloads], [one.name for one in running], middle)
    RESULTS.write_text(json.dumps([[*key, vars(one)] for key, one in middle.items()]))
    if options.plot:
        program = Path(__file__).parent / "plot.py"
        command = ["uv", "run", "-q", "--no-project", "--with", "matplotlib", "python", program, RESULTS]
        subprocess.run([*command, Path("docs/figures/serving.png")], check=True)


def measured(peer: Peer, workload: Workload, seconds: float) -> Figures:
    told = peer.asked(workload) | {"seconds": seconds}
    cores = os.sched_getaffinity(0)
    peer.pause(signal.SIGCONT)
    try:
        os.sched_setaffinity(0, {max(cores)})
        command = [sys.executable, "-m", "benchmarks.serving.load", json.dumps(told)]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        os.sched_setaffinity(0, cores)
        load.stdout.readline()
        before = cpu_seconds(peer.pid)
        load.stdout.readline()
        cpu = cpu_seconds(peer.pid) - before
        memory = memory_mb(peer.pid)
        said = json.loads(load.stdout.readline())
        load.wait()
    finally:
        peer.pause(signal.SIGSTOP)
    if said["errors"] or not said["requests"]:
        print(f"{peer.name}, {workload.name}: {said['errors']} errors, {said['requests']} answers: {said['said']}")
    if not said["requests"]:
        return Figures(0, 0, 0, 0, memory, said["errors"])
    cost = cpu / said["requests"] * 1e6
    return Figures(said["rate"], said["p50"], said["p99"], cost, memory, said["errors"])


def middle_of(several: list[Figures]) -> Figures:
    return Figures(*(median(values) for values in zip(*(vars(one).values() for one in several), strict=True)))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="workloads whose name holds this")
    parser.add_argument("--peers", default="", help="names, with commas")
    parser.add_argument("--plot", action="store_true", help="write docs/figures/serving.png")
    return parser.parse_args()


if __name__ == "__main__":
    main()
