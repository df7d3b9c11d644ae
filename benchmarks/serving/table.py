"""The table of a run, and the goals that were set before it."""

from dataclasses import dataclass
from typing import NamedTuple

OURS = "Headrace"


@dataclass(frozen=True)
class Figures:
    rate: float  # requests/s
    p50: float  # ms
    p99: float  # ms
    cpu: float  # µs per request, all processes
    memory: float  # MB, all processes, shared pages counted once
    errors: float

    def __str__(self) -> str:
        wrong = f"  {self.errors:.0f} ERRORS" if self.errors else ""
        return (
            f"{self.rate:9,.0f}/s  p50 {self.p50:8.2f}  p99 {self.p99:8.2f} ms  {self.cpu:9,.0f} CPU µs"
            f"  {self.memory:5.0f} MB{wrong}"
        )


class Goal(NamedTuple):
    workload: str
    peer: str
    measure: str  # cpu or p50
    least: float  # times better
    of_theirs: str = ""  # their workload, where it is another


GOALS = (
    Goal("echo JSON c8", "MLServer w1", "cpu", 25),
    Goal("echo JSON c64", "MLServer w0", "cpu", 15),
    Goal("echo JSON c1", "MLServer w0", "p50", 8),
    Goal("echo gRPC c64", "MLServer w0", "cpu", 15),
    Goal("echo JSON c8", "Triton", "cpu", 3),
    Goal("echo JSON c8", "mosec", "cpu", 2.5),
    Goal("echo gRPC c64", "Triton", "cpu", 3),
    Goal("602 kB binary c4", "Triton", "cpu", 2),
    Goal("602 kB binary c4", "MLServer w0", "cpu", 25, "602 kB JSON c1"),
    Goal("602 kB binary c4", "MLServer w1", "cpu", 50, "602 kB JSON c1"),
    Goal("602 kB gRPC c4", "MLServer w0", "cpu", 12),
    Goal("602 kB gRPC c4", "Triton", "cpu", 1.3),
    Goal("602 kB JSON c1", "MLServer w0", "cpu", 1.8),
    Goal("mlp batched c64", "MLServer w0", "cpu", 4),
    Goal("mlp batched c64", "Triton", "cpu", 1.3),
    Goal("mlp batched c64", "mosec", "cpu", 1),
    Goal("conv gRPC c8", "MLServer w0", "cpu", 1.7),
    Goal("conv gRPC c8", "Triton", "cpu", 1),
)


def show(workloads: list[str], peers: list[str], found: dict[tuple[str, str], Figures]) -> None:
    for workload in workloads:
        ours = found.get((workload, OURS))
        print(workload)
        for peer in peers:
            theirs = found.get((workload, peer))
            if theirs is not None:
                ratio = f"  {theirs.cpu / ours.cpu:6.1f}x our CPU" if ours and ours.cpu and peer != OURS else ""
                print(f"  {peer:12} {theirs}{ratio}")
    print("\ngoals, as ratios within this run")
    for goal in GOALS:
        ours, theirs = found.get((goal.workload, OURS)), found.get((goal.of_theirs or goal.workload, goal.peer))
        if ours and theirs and ours.cpu and theirs.cpu:
            ratio = getattr(theirs, goal.measure) / getattr(ours, goal.measure)
            reached = "reached" if ratio >= goal.least else "MISSED"
            beside = f" ({goal.of_theirs})" if goal.of_theirs else ""
            print(
                f"  {goal.workload:18} vs {goal.peer + beside:28} {goal.measure}  {ratio:7.1f}x  "
                f"goal {goal.least:g}x  {reached}"
            )
