"""What is tried: rounds, each drawn by a seed, so that each can be run again by its name."""

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
POINT = re.compile(r'\bpoint\("([a-z.]+)"\)')
SECOND_LOOK = 40  # hits of a place beyond which no kill is planned: a life lasts only some seconds
DEPLOYING = ("import.", "shelf.", "environment.", "oci.", "load.", "run.", "activate.", "step.", "versions.")
TOGETHER = 8  # kills in one round, one after the other


class Kind(StrEnum):
    KILL = "kill"
    POWER = "power"
    DISK = "disk"
    IO = "io"
    CLOCK = "clock"
    DATABASE = "database"
    ZOMBIE = "zombie"
    TAKEOVER = "takeover"


@dataclass(frozen=True, slots=True)
class Kill:
    """The server ends when it passes `point` for the `hit`-th time of this life."""

    point: str
    hit: int

    def __str__(self) -> str:
        return f"{self.point}:{self.hit}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One round. `first`: on an empty data folder; `deploys`: a client deploys models meanwhile."""

    kind: Kind
    seed: int
    kills: tuple[Kill, ...] = ()
    deploys: bool = False
    first: bool = False

    @property
    def name(self) -> str:
        """What `--replay` takes."""
        marks = ("d" if self.deploys else "") + ("f" if self.first else "")
        return ",".join([f"{self.kind}.{self.seed}{marks}", *(str(kill) for kill in self.kills)])


def parse(name: str) -> Plan:
    """Raises ValueError for what is not the name of a round."""
    head, *kills = name.split(",")
    kind, _, rest = head.partition(".")
    seed = rest.rstrip("df")
    pairs = [kill.rpartition(":") for kill in kills]
    return Plan(
        Kind(kind),
        int(seed),
        tuple(Kill(point, int(hit)) for point, _, hit in pairs),
        deploys="d" in rest,
        first="f" in rest,
    )


def known_points() -> list[str]:
    """Every place in the program where it can be stopped."""
    found = {point for path in PACKAGE.rglob("*.py") for point in POINT.findall(path.read_text(encoding="utf-8"))}
    return sorted(found - {"what.it.does"})


def kills(passed: Counter[str], count: int, seed: int) -> list[Kill]:
    """`count` places, spread over all points that a survey has passed: the first hit of each, and others."""
    dice = random.Random(seed)  # noqa: S311 - chance, not a secret
    chosen: dict[Kill, None] = {}
    points = sorted(passed.items())
    dice.shuffle(points)  # where there are fewer kills than points, each seed has others
    reachable = {point: min(hits, SECOND_LOOK) for point, hits in points}
    turn = 0
    while len(chosen) < count and turn < count:
        for point, hits in reachable.items():
            chosen.setdefault(Kill(point, 1 if turn == 0 else dice.randint(1, hits + 3)))
        turn += 1
    found = list(chosen)[:count]
    dice.shuffle(found)
    return found


def kill_rounds(planned: Sequence[Kill], kind: Kind, seed: int) -> Iterator[Plan]:
    """Those that need a deployment go together."""
    for deploys in (False, True):
        mine = [kill for kill in planned if kill.point.startswith(DEPLOYING) is deploys]
        for number, place in enumerate(range(0, len(mine), TOGETHER)):
            yield Plan(kind, seed * 1000 + number, tuple(mine[place : place + TOGETHER]), deploys=deploys)


def first_rounds(passed: Counter[str], seed: int) -> Iterator[Plan]:
    """A kill at each place that the first start of a new installation passes."""
    for number, (point, hits) in enumerate(sorted(passed.items())):
        for hit in sorted({1, hits}):
            yield Plan(Kind.KILL, seed * 1000 + number, (Kill(point, hit),), first=True)
