"""Which isolation there is, and the small pieces of the runners that need no model."""

import os
from pathlib import Path

import pytest
from engines.keeper import need_sandbox

from headrace.domain.errors import Unsupported
from headrace.domain.replica import Hardware, Isolation
from headrace.runners import sandbox, seccomp
from headrace.runners.choose import choose, describe, sandbox_fault
from headrace.runners.limits import limits_of
from headrace.runners.runner import Ending
from headrace.settings import RunnerSettings


@pytest.fixture
def without_bubblewrap(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def with_broken_bubblewrap(monkeypatch, tmp_path) -> None:
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def test_the_sandbox_is_taken_where_it_works(tmp_path) -> None:
    need_sandbox()

    assert Isolation.SANDBOX is choose(RunnerSettings(), tmp_path).isolation
    assert Isolation.SANDBOX is choose(RunnerSettings(sandbox="require"), tmp_path).isolation
    assert Isolation.PROCESS is choose(RunnerSettings(sandbox="off"), tmp_path).isolation
    assert "bubblewrap sandbox" in describe(RunnerSettings())
    assert "runners.sandbox is off" in describe(RunnerSettings(sandbox="off"))


@pytest.mark.usefixtures("without_bubblewrap")
def test_without_bubblewrap_there_are_plain_processes(tmp_path) -> None:
    assert Isolation.PROCESS is choose(RunnerSettings(), tmp_path).isolation
    assert "apt-get install bubblewrap" in describe(RunnerSettings())
    with pytest.raises(Unsupported, match="apt-get install bubblewrap"):
        choose(RunnerSettings(sandbox="require"), tmp_path)


@pytest.mark.usefixtures("with_broken_bubblewrap")
def test_bubblewrap_that_does_not_work_is_not_taken(tmp_path) -> None:
    assert Isolation.PROCESS is choose(RunnerSettings(), tmp_path).isolation
    assert "bubblewrap does not work here: setting up uid map: Permission denied" == sandbox_fault()


def test_an_unknown_setting_is_an_error(tmp_path) -> None:
    with pytest.raises(Unsupported, match="should be auto, require or off"):
        choose(RunnerSettings(sandbox="yes"), tmp_path)


def test_replicas_are_spread_over_the_processors() -> None:
    every = os.sched_getaffinity(0)
    one = [limits_of(Hardware(500), RunnerSettings(), turn).cpus for turn in range(len(every))]
    many = limits_of(Hardware(1_000_000), RunnerSettings(), 3).cpus

    assert every == {cpu for cpus in one for cpu in cpus}
    assert {1} == {len(cpus) for cpus in one}
    assert every == set(many)


def python_in(folder: Path, home: Path) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python3").touch()
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {home / 'bin'}\n")
    (folder / "bin" / "python").symlink_to(home / "bin" / "python3")
    return folder / "bin" / "python"


def test_the_interpreter_is_found_through_its_links(tmp_path) -> None:
    python = python_in(tmp_path / "environment", tmp_path / "real-3.11.9")
    (tmp_path / "alias-3.11").symlink_to("real-3.11.9")
    python.unlink()
    python.symlink_to(tmp_path / "alias-3.11" / "bin" / "python3")

    found = sandbox.interpreter_folders(python)

    assert {tmp_path / "environment", tmp_path / "alias-3.11", tmp_path / "real-3.11.9"} == set(found)


def test_an_interpreter_that_would_show_too_much_is_refused(tmp_path) -> None:
    python = python_in(tmp_path / "environment", tmp_path / "home")
    (tmp_path / "environment" / "pyvenv.cfg").write_text("home = /root/bin\n")

    with pytest.raises(Unsupported, match="too wide"):
        sandbox.interpreter_folders(python)


def test_our_data_is_covered_where_an_interpreter_would_show_it(tmp_path) -> None:
    data = tmp_path / "installation" / "data"
    python = python_in(data / "environments" / "x", tmp_path / "installation")
    place = sandbox.Place(tmp_path / "replica", tmp_path / "model", python, tmp_path / "harness", data)

    command = " ".join(sandbox.sandboxed("bwrap", place, None, ["true"], {}))

    bound = f"--ro-bind {tmp_path}/installation {tmp_path}/installation --tmpfs {data} --ro-bind {data}/environments/x"
    assert bound in command
    assert f"--remount-ro {data}" in command


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_whole(machine: str) -> None:
    text = seccomp.program(machine)

    assert text is not None
    assert 0 == len(text) % 8
    assert len(text) // 8 < 4_096  # what the kernel takes
    assert seccomp.program("vax") is None


@pytest.mark.parametrize(
    ("ending", "says"),
    [
        (Ending(code=3), "it exited with code 3"),
        (Ending(signal=11), "it was ended by signal 11 (SIGSEGV)"),
        (Ending(signal=99), "it was ended by signal 99 (unknown)"),
        (
            Ending(signal=9, limit="it used 2.0 GB of memory, its limit is 1.0 GB"),
            "it used 2.0 GB of memory, its limit is 1.0 GB",
        ),
    ],
)
def test_an_ending_is_a_sentence(ending: Ending, says: str) -> None:
    assert says == ending.sentence
