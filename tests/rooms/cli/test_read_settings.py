"""Settings: who wins, what is refused, and that every one of them can be given in every way."""

import dataclasses
from pathlib import Path

import pytest

from headrace.cli.failure import ExitCode, Failure
from headrace.cli.read_settings import environment_name, read
from headrace.settings import Settings

DEFAULT = Path("/default")


def test_without_anything_all_is_as_in_the_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert Settings(data=DEFAULT) == read({}, {}, None, DEFAULT)


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text('data = "/file"\n[server]\nhost = "0.0.0.0"\nport = 1\n[jobs]\nclaim = 5\n')
    environment = {"HEADRACE_SERVER_PORT": "2", "HEADRACE_JOBS_TARGET": "0.25", "PATH": "/bin"}
    found = read({"server.port": "3"}, environment, file, DEFAULT)

    assert (3, "0.0.0.0", 5, 0.25) == (found.server.port, found.server.host, found.jobs.claim, found.jobs.target)
    assert Path("/file") == found.data


def test_the_file_of_the_working_folder_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "headrace.toml").write_text("[fleet]\nengines = 3\n")

    assert 3 == read({}, {}, None, DEFAULT).fleet.engines


def test_truth_and_lists_can_be_written_as_text():
    flags = {"server.metrics_open": "true", "images.folders": '["/a", "/b"]', "data": "~/x"}
    found = read(flags, {}, None, DEFAULT)

    assert found.server.metrics_open
    assert ("/a", "/b") == found.images.folders
    assert Path.home() / "x" == found.data


def test_the_short_name_of_the_key_file():
    assert "/k" == read({}, {"HEADRACE_ADMIN_KEY_FILE": "/k"}, None, DEFAULT).accounts.admin_key_file


def test_what_only_the_commands_read_is_no_mistake():
    read({}, {"HEADRACE_URL": "http://x", "HEADRACE_API_KEY": "a.b", "HEADRACE_TEST_X": "1"}, None, DEFAULT)


@pytest.mark.parametrize(
    ("flags", "environment", "sentence"),
    [
        ({"server.prot": "1"}, {}, "no setting server.prot (from the command line); did you mean server.port?"),
        ({"port": "1"}, {}, "did you mean server.port?"),
        ({}, {"HEADRACE_FLEET_ENGINE": "1"}, "did you mean HEADRACE_FLEET_ENGINES?"),
        ({"server.port": "many"}, {}, "server.port (from the command line) cannot be 'many'"),
        ({"server.metrics_open": "perhaps"}, {}, "server.metrics_open"),
    ],
)
def test_mistakes_are_told_with_the_right_name(flags, environment, sentence):
    with pytest.raises(Failure) as caught:
        read(flags, environment, None, DEFAULT)
    assert sentence in caught.value.message
    assert ExitCode.USAGE is caught.value.code


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("[server]\nprot = 1", "did you mean server.port?"), ("[", "cannot be read"), ("port = 1", "did you mean")],
)
def test_mistakes_in_the_file_name_it(tmp_path, content, sentence):
    file = tmp_path / "x.toml"
    file.write_text(content)
    with pytest.raises(Failure, match=r"x\.toml") as caught:
        read({}, {}, file, DEFAULT)
    assert sentence in caught.value.message


def test_a_file_that_was_named_has_to_be_there():
    with pytest.raises(Failure, match="is not there"):
        read({}, {"HEADRACE_CONFIG": "/nowhere/x.toml"}, None, DEFAULT)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", ()),
        ("/a", ("/a",)),
        ("https://example.com:8443", ("https://example.com:8443",)),
        ('["/a", "https://example.com"]', ("/a", "https://example.com")),
    ],
)
def test_lists_are_one_bare_value_or_an_array(text, values):
    assert values == read({"server.origins": text}, {}, None, DEFAULT).server.origins


def test_names_are_unmistakable():
    names = {
        environment_name(f"{room.name}.{one.name}")
        for room in dataclasses.fields(Settings)
        if room.name != "data"
        for one in dataclasses.fields(room.type)
    }
    assert len(names) == sum(
        len(dataclasses.fields(room.type)) for room in dataclasses.fields(Settings) if room.name != "data"
    )


def test_serve_refuses_a_wrong_setting_before_it_loads_the_server(plain):
    ended = plain("serve", "--set", "server.prot=1")

    assert 2 == ended.code
    assert "did you mean server.port?" in ended.err
    assert 2 == plain("serve", "--set", "server.port").code
