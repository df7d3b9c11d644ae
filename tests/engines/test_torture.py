"""The short form of `headrace torture`, as a user runs it: every promise holds, and a broken one would be told."""

import json
import subprocess
import sys

import pytest

from headrace.torture import power

DEADLINE = 900  # seconds: it takes one, alone on two cores, and shares them here


def torture(folder, *arguments):
    report = folder / "report.json"
    command = [
        sys.executable,
        "-m",
        "headrace",
        "torture",
        "-q",
        "--folder",
        str(folder / "work"),
        "--report",
        str(report),
    ]
    ended = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=False, timeout=DEADLINE, cwd=folder
    )
    assert report.exists(), ended.stderr
    return ended, json.loads(report.read_text())


def kinds(found):
    return {one["kind"]: one for one in found["kinds"]}


def test_kills_clock_jumps_and_zombies_break_no_promise(tmp_path):
    ended, found = torture(tmp_path, "--only", "kill", "--only", "clock", "--only", "zombie", "--places", "8")

    assert 0 == ended.returncode, ended.stdout
    assert found["held"]
    assert {"kill", "clock", "zombie"} == set(kinds(found))
    assert 8 == kinds(found)["kill"]["kills"] + kinds(found)["kill"]["missed"]
    assert 0 == sum(one["faults"] for one in found["kinds"])
    assert 100 < sum(one["inputs"] for one in found["kinds"])


@pytest.mark.skipif(bool(power.missing()), reason=power.missing())
def test_power_cuts_full_and_broken_disks_break_no_promise(tmp_path):
    only = [part for kind in ("power", "disk", "io", "database") for part in ("--only", kind)]
    ended, found = torture(tmp_path, *only, "--cuts", "4")

    assert 0 == ended.returncode, ended.stdout
    assert {"power", "disk", "io", "database"} == set(kinds(found))
    assert 4 == kinds(found)["power"]["cuts"]
    assert all(0 < kinds(found)[kind]["troubles"]["failed calls"] for kind in ("disk", "io", "database"))


def test_a_round_is_run_again_by_its_name(tmp_path):
    ended, found = torture(tmp_path, "--replay", "kill.5,submit.stored:2,claim.committed:2")

    assert 0 == ended.returncode, ended.stdout
    assert ["kill.5,submit.stored:2,claim.committed:2"] == [one["name"] for one in found["rounds"]]
    assert 2 == len(found["rounds"][0]["kills"] + found["rounds"][0]["missed"])
