"""Rounds are drawn by a seed and named, so that each can be run again."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import headrace
from headrace.torture import plan, takeover
from headrace.torture.plan import Kill, Kind, Plan

PACKAGE = Path(headrace.__file__).parent
PROGRAM = """
from headrace import faults
for number in range(5):
    print(number, flush=True)
    faults.point("here.or.there")
"""


def test_a_round_is_found_again_by_its_name():
    for one in (
        Plan(Kind.KILL, 7, (Kill("claim.committed", 3), Kill("spool.synced", 12)), deploys=True),
        Plan(Kind.KILL, 0, (Kill("serve.built", 1),), first=True),
        Plan(Kind.CLOCK, 3002),
    ):
        assert one == plan.parse(one.name)


@pytest.mark.parametrize("name", ["", "kill", "kill.x", "flood.1", "kill.1,claim"])
def test_what_is_no_name_is_said_to_be_none(name):
    with pytest.raises(ValueError, match=r"not |invalid|valid|is"):
        plan.parse(name)


def test_kills_are_spread_over_all_places_that_are_passed():
    passed = Counter({"a.b": 1, "c.d": 100, "e.f": 10})

    found = plan.kills(passed, 20, 1)

    assert found == plan.kills(passed, 20, 1) != plan.kills(passed, 20, 2)
    assert 20 == len(set(found))
    assert set(passed) == {kill.point for kill in found}
    assert {Kill("a.b", 1), Kill("c.d", 1), Kill("e.f", 1)} <= set(found)


def test_few_kills_are_at_other_places_with_each_seed():
    passed = Counter({f"{letter}.b": 1 for letter in "abcdefghijklmnop"})
    tried = {kill.point for seed in range(20) for kill in plan.kills(passed, 4, seed)}
    assert tried == set(passed)


def test_the_places_of_takeovers_are_there():
    assert set(takeover.PLACES) <= set(plan.known_points())


def test_a_place_has_its_name_for_itself():
    counts = Counter(
        name for path in PACKAGE.rglob("*.py") for name in re.findall(r'\bpoint\("([^"]+)"\)', path.read_text())
    )
    assert 60 < len(counts)
    assert [] == [name for name, count in counts.items() if count > 1]
    assert sorted(counts) == plan.known_points()


def run(variables):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


def test_a_program_ends_at_its_place_and_nowhere_else(tmp_path):
    log = tmp_path / "passed"

    ended = run({"HEADRACE_FAULTS": f"log={log} kill=here.or.there:3"})

    assert (-signal.SIGKILL, ["0", "1", "2"]) == (ended.returncode, ended.stdout.split())
    assert ["here.or.there"] * 3 == log.read_text().split()


def test_nothing_happens_when_nothing_was_said():
    ended = run({"HEADRACE_FAULTS": ""})

    assert (0, 5) == (ended.returncode, len(ended.stdout.split()))


def test_the_clock_is_wrong_by_what_the_file_says(tmp_path):
    (tmp_path / "clock").write_text("-3600000")
    said = subprocess.run(
        [sys.executable, "-c", "import time; from headrace.domain.clock import now; print(time.time() - now() / 1000)"],
        env={**os.environ, "HEADRACE_FAULTS": f"clock={tmp_path / 'clock'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 3590 < float(said.stdout) < 3610
