"""A whole torture: an installation is made, surveyed and copied; rounds of all kinds are drawn by the seeds and run."""

import asyncio
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from headrace.torture import cluster, installation, power, rounds
from headrace.torture.installation import SETTINGS, Template
from headrace.torture.plan import Kill, Kind, Plan, first_rounds, kill_rounds, kills
from headrace.torture.report import Report
from headrace.torture.rounds import ON_DISK
from headrace.torture.scene import Outcome
from headrace.torture.server import Servers

OWN_DISK = "PostgreSQL keeps its disk by itself"
ONE_SERVER = "SQLite has one server: --postgresql"
Told = Callable[[int, int, Outcome | None], None]  # rounds that are over, rounds in all, the last of them


@dataclass(frozen=True, slots=True)
class Wish:
    """How much of what. `places` and `cuts` are for each seed, `spells` are rounds of each other kind and seed."""

    folder: Path
    kinds: frozenset[Kind]
    seeds: tuple[int, ...]
    places: int
    cuts: int
    spells: int
    together: int = 1  # rounds at the same time
    postgresql: bool = False  # instead of SQLite


async def torture(wish: Wish, servers: Servers, told: Told) -> Report:
    """Raises Refused, NotStarted when not even an ordinary installation works."""
    _end_in_order()
    report, began = Report(version("headrace"), wish.seeds, wish.postgresql), time.monotonic()
    possible = _possible(wish, report)
    if not possible:
        return report
    template = await installation.make(servers, wish.folder, SETTINGS, postgresql=wish.postgresql)
    first: Counter[str] = Counter()
    if possible & {Kind.KILL, Kind.POWER}:
        told(0, 0, None)
        ordinary = await rounds.survey(template, wish.folder / "survey", servers)
        report.outcomes += [ordinary] if ordinary.faults else []
        report.surveyed = ordinary.passed
        first = await rounds.first_survey(template, wish.folder / "first", servers)
    await _run(list(_plans(wish, possible, report.surveyed, first)), wish, (template, servers), report, told)
    report.seconds = time.monotonic() - began
    return report


async def again(plan: Plan, wish: Wish, servers: Servers, told: Told) -> Report:
    """One round, by its name."""
    _end_in_order()
    report, began = Report(version("headrace"), (plan.seed,), wish.postgresql), time.monotonic()
    template = await installation.make(servers, wish.folder, SETTINGS, postgresql=wish.postgresql)
    await _run([plan], wish, (template, servers), report, told)
    report.seconds = time.monotonic() - began
    return report


def _end_in_order() -> None:
    """Told to stop, as with Ctrl-C: no server and no disk of ours is left behind."""
    task = asyncio.current_task()
    if task is not None:
        for signal_ in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(signal_, task.cancel)


def _possible(wish: Wish, report: Report) -> frozenset[Kind]:
    if wish.postgresql:
        report.not_tried |= dict.fromkeys(sorted(wish.kinds & ON_DISK - {Kind.DATABASE}), OWN_DISK)
        if why := cluster.missing():
            report.not_tried = dict.fromkeys(sorted(wish.kinds), why)
        return wish.kinds - frozenset(report.not_tried)
    if why := power.missing():
        report.not_tried |= dict.fromkeys(sorted(wish.kinds & ON_DISK), why)
    report.not_tried |= dict.fromkeys(sorted(wish.kinds & {Kind.TAKEOVER}), ONE_SERVER)
    return wish.kinds - frozenset(report.not_tried)


def _plans(wish: Wish, kinds: frozenset[Kind], passed: Counter[str], first: Counter[str]) -> Iterator[Plan]:
    for seed in wish.seeds:
        if Kind.KILL in kinds:
            beginnings = list(first_rounds(first, seed))
            few = beginnings[:: max(1, 8 * len(beginnings) // max(1, wish.places))]
            yield from few
            yield from kill_rounds(_at_least_one(passed, wish.places - len(few), seed), Kind.KILL, seed)
        if Kind.POWER in kinds:
            yield from kill_rounds(_at_least_one(passed, wish.cuts, seed + 1_000_000), Kind.POWER, seed)
        for kind in Kind:
            if kind in kinds and kind not in {Kind.KILL, Kind.POWER}:
                deploys = kind is Kind.TAKEOVER
                yield from (Plan(kind, seed * 1000 + number, deploys=deploys) for number in range(wish.spells))


def _at_least_one(passed: Counter[str], count: int, seed: int) -> list[Kill]:
    return kills(passed, max(1, count), seed)


async def _run(plans: list[Plan], wish: Wish, stage: tuple[Template, Servers], report: Report, told: Told) -> None:
    waiting = list(enumerate(plans))[::-1]
    told(0, len(plans), None)

    async def work() -> None:
        while waiting:
            number, plan = waiting.pop()
            folder = wish.folder / f"{plan.kind}-{number}"
            outcome = await rounds.run(plan, folder, *stage)
            report.outcomes.append(outcome)
            if not outcome.faults:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            told(len(plans) - len(waiting), len(plans), outcome)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(wish.together):
                group.create_task(work())
    except asyncio.CancelledError:  # Ctrl-C: what was tried until then is worth telling
        report.interrupted = True
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
