"""When a replica has to be looked at closely: real processes that wait, work and begin others."""

import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from headrace.runners.limits import tree
from headrace.runners.stillness import Stillness

HOUR = 3_600.0  # seconds: no test takes as long
WORK = "import time\nend = time.thread_time() + 0.1\nwhile time.thread_time() < end: pass\n"
PROGRAM = f"""
import subprocess, sys
others = []
for line in sys.stdin:
    if line == "work\\n":
        exec({WORK!r})
    if line == "begin\\n":
        others.append(subprocess.Popen(["sleep", "600"]))
    print("done", flush=True)
for other in others:
    other.kill()
"""


@contextmanager
def replica():
    """Its number, and a function that makes it do something and wait for the next thing."""
    command = [sys.executable, "-S", "-c", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def do(what):
            process.stdin.write(f"{what}\n")
            process.stdin.flush()
            assert "done\n" == process.stdout.readline()
            deadline = time.monotonic() + 60
            while not all(waits(pid) for pid in tree(process.pid)):
                assert time.monotonic() < deadline
                time.sleep(0.01)

        do("begin")
        yield process.pid, do
        process.stdin.close()


def waits(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def test_it_lasts_whatever_others_begin_and_do():
    with replica() as (pid, _):
        stillness = Stillness(HOUR)
        assert not stillness.lasts(pid)  # nobody has looked closely yet
        stillness.begin(pid)
        assert stillness.lasts(pid)
        subprocess.run([sys.executable, "-S", "-c", WORK], check=True)
        assert stillness.lasts(pid)


@pytest.mark.parametrize("what", ["work", "begin"])
def test_work_and_new_processes_end_it(what):
    with replica() as (pid, do):
        stillness = Stillness(HOUR)
        stillness.begin(pid)
        do(what)
        assert not stillness.lasts(pid)
        stillness.begin(pid)
        assert stillness.lasts(pid)


def test_a_close_look_is_due_some_time_in_any_case():
    with replica() as (pid, _):
        stillness = Stillness(HOUR, 0.0)
        stillness.begin(pid)
        assert not stillness.lasts(pid)


def test_it_is_due_sooner_after_the_replica_ran_a_little():
    with replica() as (pid, do):
        stillness = Stillness(0.0, HOUR)
        stillness.begin(pid)
        assert stillness.lasts(pid)
        do("nothing")
        assert not stillness.lasts(pid)


def test_a_little_is_no_reason_by_itself():
    with replica() as (pid, do):
        stillness = Stillness(HOUR)
        stillness.begin(pid)
        do("nothing")
        assert stillness.lasts(pid)


def test_it_ends_with_the_replica():
    with replica() as (pid, _):
        stillness = Stillness(HOUR)
        stillness.begin(pid)
    assert not stillness.lasts(pid)


def test_nobody_looks_around_while_nobody_runs(monkeypatch: pytest.MonkeyPatch):
    with replica() as (pid, _):
        stillness = Stillness(HOUR)
        stillness.begin(pid)
        assert stillness.lasts(pid)
        monkeypatch.setattr("headrace.runners.stillness.tree", lambda _: pytest.fail("the family is known"))
        assert stillness.lasts(pid)
