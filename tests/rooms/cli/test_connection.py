"""Which server and which key; how refusals and silence end."""

from pathlib import Path

import pytest
from rooms.cli.contract_server import KEY, WEAK_KEY

from headrace.cli.connection import default_data, find
from headrace.cli.failure import ExitCode, Failure


def write_client_file(data: Path, url: str, key: str) -> None:
    data.mkdir(parents=True, exist_ok=True)
    (data / "client.toml").write_text(f'url = "{url}"\nkey = "{key}"\n')


def test_the_file_of_the_server_is_enough(plain, url, tmp_path):
    write_client_file(tmp_path / "data", url, KEY)

    assert 0 == plain("models", "list").code


def test_flags_win(plain, url, tmp_path):
    write_client_file(tmp_path / "data", "http://127.0.0.1:1", "wrong.key")

    assert 0 == plain("models", "list", "--url", f"{url}/api/", "--key", KEY).code


def test_a_stored_key_is_not_sent_to_another_server(tmp_path):
    write_client_file(tmp_path, "http://127.0.0.1:8080", KEY)

    assert KEY == find("http://127.0.0.1:8080/", None, tmp_path).key
    with pytest.raises(Failure, match="no key for http://elsewhere") as caught:
        find("http://elsewhere", None, tmp_path)
    assert ExitCode.DENIED is caught.value.code
    assert f"client.toml of its data folder (with another --data than {tmp_path}" in caught.value.cure


def test_no_server_is_a_usage_error_with_a_cure(plain):
    ended = plain("jobs", "list")

    assert 2 == ended.code
    assert "headrace serve" in ended.err


def test_a_silent_server_is_told(plain):
    ended = plain("jobs", "list", "--url", "http://127.0.0.1:1", "--key", "a.b")

    assert 1 == ended.code
    assert "no server answers at http://127.0.0.1:1 (told by --url)" in ended.err


def test_an_unknown_key_ends_with_4_and_is_not_printed(plain, url):
    ended = plain("jobs", "list", "--url", url, "--key", "prefix.secretbody")

    assert 4 == ended.code
    assert "this access key is unknown" in ended.err
    assert "secretbody" not in ended.err + ended.out


def test_a_weak_key_ends_with_4(plain, url):
    ended = plain("jobs", "cancel", "x", "--url", url, "--key", WEAK_KEY)

    assert 4 == ended.code
    assert "your key may not do this" in ended.err


def test_errors_are_json_when_json_is_asked_for(plain, url):
    ended = plain("jobs", "watch", "nobody", "--url", url, "--key", KEY, "--json")

    assert 3 == ended.code
    assert '"exitCode":3' in ended.err
    assert "" == ended.out


def test_a_broken_file_is_named(plain, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "client.toml").write_text("url = ")
    ended = plain("jobs", "list")

    assert 1 == ended.code
    assert "client.toml" in ended.err


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://[::"])
def test_a_url_that_is_none(plain, url):
    ended = plain("jobs", "list", "--url", url, "--key", "a.b")

    assert 2 == ended.code
    assert "is not a URL" in ended.err


def test_the_data_folder_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.delenv("HEADRACE_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    assert tmp_path / "headrace" == default_data()
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    assert Path.home() / ".local" / "share" / "headrace" == default_data()
