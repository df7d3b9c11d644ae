"""The program as a whole: help, completion, versions, doctor, colours, cheap starts."""

import os
import resource
import subprocess
import sys

import pytest
from rooms.cli.contract_server import KEY

from headrace.cli.main import COMMANDS

PROGRAM = [sys.executable, "-m", "headrace"]


def test_help_lists_all_commands(plain):
    out = plain("--help").out

    assert all(name in out for name in COMMANDS)
    assert "130 interrupted" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(plain, name):
    ended = plain(name, "--help")

    assert 0 == ended.code
    assert name in ended.out


def test_an_unknown_command_is_a_usage_error(plain):
    assert 2 == plain("frobnicate").code


def test_help_loads_neither_the_server_nor_an_http_client():
    program = (
        "import sys; from headrace.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'httpx2', 'starlette', 'sqlalchemy', 'uvicorn', 'headrace.serve'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert 0 == ended.returncode, ended.stderr
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.0  # about 0.3 on an idle machine


def test_the_version_is_that_of_the_package(plain):
    assert "0." in plain("--version").out


def test_completion_knows_commands_and_options():
    environment = {
        **os.environ,
        "_HEADRACE_COMPLETE": "complete_bash",
        "COMP_WORDS": "headrace jobs su",
        "COMP_CWORD": "2",
    }
    ended = subprocess.run(PROGRAM, env=environment, capture_output=True, text=True, check=False)

    assert "submit" in ended.stdout.split()


def test_no_colour_in_a_pipe(url):
    environment = {**os.environ, "HEADRACE_URL": url, "HEADRACE_API_KEY": KEY}
    ended = subprocess.run([*PROGRAM, "engines"], env=environment, capture_output=True, text=True, check=False)

    assert 0 == ended.returncode
    assert "\x1b" not in ended.stdout + ended.stderr


def test_doctor_says_what_it_found(headrace):
    ended = headrace("doctor", "--json")
    found = {one["what"]: one for one in ended.json()}

    here = {"system", "python", "uv", "isolation", "container images", "data folder", "disk", "database", "port"}
    assert {*here, "server", "key"} == set(found)
    assert "good" == found["key"]["health"]
    assert "ann@example.com" in found["key"]["fact"]


def test_doctor_ends_with_1_and_a_cure_when_the_key_is_wrong(plain, url):
    ended = plain("doctor", "--url", url, "--key", "a.b")

    assert 1 == ended.code
    assert "→ give a valid key" in ended.out


def test_doctor_finds_wrong_settings(plain, monkeypatch):
    monkeypatch.setenv("HEADRACE_SERVER_PROT", "1")

    assert "did you mean HEADRACE_SERVER_PORT?" in plain("doctor").out
