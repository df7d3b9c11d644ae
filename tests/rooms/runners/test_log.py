"""What is kept of what models print, and what is lost when the disk does not take it."""

import os
import shutil
from pathlib import Path

from headrace.runners.log import HALF, KEEP, Log, sweep, tail


def test_two_files_hold_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "m.log"
    with Log(path) as log:
        for letter in b"abc":
            log.write(bytes([letter]) * HALF)
        log.write(b"d")

    assert b"d" == path.read_bytes()
    assert b"c" * HALF == path.with_suffix(".1.log").read_bytes()
    assert "ccd" == tail(path, 3)


def test_a_log_that_was_removed_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "m.log"
    with Log(path) as log:
        log.write(b"a" * HALF)
        path.unlink()
        log.write(b"b")

    assert b"b" == path.read_bytes()


def test_a_log_that_cannot_begin_anew_drops_what_it_gets_until_it_can(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "m.log"
    with Log(path) as log:
        log.write(b"a" * HALF)
        shutil.rmtree(path.parent)
        for _ in range(3):
            log.write(b"b")
        path.parent.mkdir()
        log.write(b"c")

    assert b"c" == path.read_bytes()


def test_a_closed_log_drops_what_it_gets(tmp_path: Path) -> None:
    with Log(tmp_path / "m.log") as log:
        pass
    log.write(b"late")
    assert b"" == (tmp_path / "m.log").read_bytes()


def test_the_oldest_logs_are_swept_but_not_those_that_are_open(tmp_path: Path) -> None:
    for number in range(KEEP + 3):
        (tmp_path / f"ended-{number}.log").touch()
    with Log(tmp_path / "quiet.log") as quiet:
        quiet.write(b"a" * HALF)
        quiet.write(b"b")
        for name in ("quiet.log", "quiet.1.log", "ended-0.log", "ended-1.1.log"):
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (0, 0))

        sweep(tmp_path)

        left = {path.name for path in tmp_path.iterdir()}
        assert {"quiet.log", "quiet.1.log"} <= left
        assert not {"ended-0.log", "ended-1.1.log"} & left

    os.utime(tmp_path / "quiet.log", (0, 0))
    (tmp_path / "one-more.log").touch()
    sweep(tmp_path)
    assert not (tmp_path / "quiet.log").exists()
