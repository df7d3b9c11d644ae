"""jobs: what is sent for texts, files and folders; what is shown; how the commands end."""

import json

import pytest

from headrace.cli import job_inputs
from headrace.cli.job_results import safe_name
from headrace.cli.shapes import Results


def inputs_of(server) -> dict:
    [job] = server.jobs.values()
    return job["inputs"]


def test_texts_become_inputs_and_the_job_is_named_on_stdout(headrace, echo, server):
    ended = headrace("jobs", "submit", echo, "--text", "good", "--text", "day")

    assert 0 == ended.code, ended.err
    assert {"text-1": {"input.txt": b"good"}, "text-2": {"input.txt": b"day"}} == inputs_of(server)
    assert list(server.jobs) == ended.out.split()


def test_a_model_is_found_by_its_name(headrace, echo, server):
    assert 0 == headrace("jobs", "submit", "echo", "--text", "x").code
    [job] = server.jobs.values()
    assert echo == job["model"]["identifier"]


def test_a_text_is_read_from_stdin(headrace, echo, server):
    headrace("jobs", "submit", echo, "--text", "-", stdin="from a pipe")

    assert {"text-1": {"input.txt": b"from a pipe"}} == inputs_of(server)


def test_wait_shows_the_results_and_fails_when_an_input_failed(headrace, echo):
    ended = headrace("jobs", "submit", echo, "--text", "good", "--text", "fail please", "--wait")

    assert 1 == ended.code
    assert "1 of 2 inputs done, 1 failed" in ended.out
    assert "the model refused" in ended.out
    assert "1 0.90, 8 0.10" in ended.out


def test_wait_ends_with_0_when_all_went_well(headrace, echo):
    ended = headrace("jobs", "submit", echo, "--text", "good", "--wait", "--json")

    assert 0 == ended.code
    assert ["text-1"] == list(ended.json()["results"])


def test_files_go_together_when_they_are_small(headrace, echo, server, tmp_path):
    (tmp_path / "a.bin").write_bytes(b"\x00\xff")
    (tmp_path / "b.bin").write_bytes(b"b")
    ended = headrace("jobs", "submit", echo, "--file", str(tmp_path / "a.bin"), "--file", str(tmp_path / "b.bin"))

    assert 0 == ended.code, ended.err
    assert {"a.bin": {"input.txt": b"\x00\xff"}, "b.bin": {"input.txt": b"b"}} == inputs_of(server)


def test_large_files_go_in_pieces_of_the_announced_size(headrace, echo, server, tmp_path, monkeypatch):
    monkeypatch.setattr(job_inputs, "TOGETHER", 100)
    (tmp_path / "large.bin").write_bytes(b"0123456789" * 300)
    ended = headrace("jobs", "submit", echo, "--file", str(tmp_path / "large.bin"), "--wait")

    assert 0 == ended.code, ended.err
    assert {"large.bin": {"input.txt": b"0123456789" * 300}} == inputs_of(server)
    pieces = [path for method, path, _ in server.requests if path.endswith("/large.bin/input.txt")]
    assert 3 == len(pieces)


def test_a_folder_keeps_the_names_of_its_folders(headrace, echo, server, tmp_path):
    (tmp_path / "scans" / "day 1").mkdir(parents=True)
    (tmp_path / "scans" / "day 1" / "x.png").write_bytes(b"1")
    (tmp_path / "scans" / "y.png").write_bytes(b"2")
    headrace("jobs", "submit", echo, "--folder", str(tmp_path / "scans"))

    assert {"day 1/x.png", "y.png"} == set(inputs_of(server))


def test_files_for_named_inputs_are_one_input(headrace, echo, server, tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    headrace("jobs", "submit", echo, "--file", f"input.txt={tmp_path / 'a'}")

    assert {"job": {"input.txt": b"1"}} == inputs_of(server)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "exactly one of --text, --file and --folder"),
        (("--text", "a", "--folder", "."), "exactly one of --text, --file and --folder"),
        (("--file", "/nowhere/x"), "/nowhere/x is not a file"),
        (("--text", "a", "--input", "image"), "the model has no input 'image'; it has input.txt"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(headrace, echo, arguments, sentence):
    ended = headrace("jobs", "submit", echo, *arguments)

    assert 2 == ended.code
    assert sentence in ended.err


def test_an_unknown_model_ends_with_3(headrace):
    ended = headrace("jobs", "submit", "nobody", "--text", "x")

    assert 3 == ended.code
    assert "no model is called 'nobody'" in ended.err


def test_watch_gives_up_with_5(headrace, echo, server):
    server.slow = 10**6
    job = headrace("jobs", "submit", echo, "--text", "x").out.strip()
    ended = headrace("jobs", "watch", job, "--timeout", "0.1")

    assert 5 == ended.code
    assert "not over after 0.1 s" in ended.err


def test_ctrl_c_ends_with_130(headrace, echo, server, monkeypatch):
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    server.slow = 10**6
    job = headrace("jobs", "submit", echo, "--text", "x").out.strip()
    monkeypatch.setattr("headrace.cli.jobs.time.sleep", interrupt)

    assert 130 == headrace("jobs", "watch", job).code
    assert "IN_PROGRESS" == server.jobs[job]["status"]  # it goes on without us


def test_a_folder_that_cannot_be_written_is_told(headrace, echo, tmp_path):
    (tmp_path / "file").write_text("")
    job = headrace("jobs", "submit", echo, "--text", "x", "--wait", "--json").json()["jobIdentifier"]
    ended = headrace("jobs", "results", job, "--output", str(tmp_path / "file"))

    assert 1 == ended.code
    assert "Not a directory" in ended.err


def test_watch_tells_how_it_ended(headrace, echo):
    job = headrace("jobs", "submit", echo, "--text", "x").out.strip()
    ended = headrace("jobs", "watch", job)

    assert 0 == ended.code
    assert f"{job} COMPLETED: 1 of 1 inputs done, 0 failed, 170 ms" in ended.out


def test_results_are_written_to_files_that_stay_in_the_folder(headrace, echo, server, tmp_path):
    job = headrace("jobs", "submit", echo, "--text", "x", "--wait", "--json").json()["jobIdentifier"]
    server.jobs[job]["inputs"] = {"../../evil": {"input.txt": b"x"}, "bad": {"input.txt": b"fail"}}
    ended = headrace("jobs", "results", job, "--output", str(tmp_path / "out"), "--json")

    assert 0 == ended.code, ended.err
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert ["..%2F..%2Fevil", "..%2F..%2Fevil/copy.txt", "..%2F..%2Fevil/results.json", "bad/error.txt"] == written
    assert 3 == len(ended.json())
    assert b"\x00bytes of ../../evil" == (tmp_path / "out" / "..%2F..%2Fevil" / "copy.txt").read_bytes()
    assert "data" in json.loads((tmp_path / "out" / "..%2F..%2Fevil" / "results.json").read_text())


def test_a_long_table_says_how_to_see_the_rest(headrace, echo):
    texts = [argument for number in range(25) for argument in ("--text", str(number))]
    job = headrace("jobs", "submit", echo, *texts, "--wait", "--json").json()["jobIdentifier"]

    assert "… and 5 more: --all shows them" in headrace("jobs", "results", job).out
    assert "more:" not in headrace("jobs", "results", job, "--all").out


def test_cancel_and_list(headrace, echo, server):
    server.slow = 10**6
    job = headrace("jobs", "submit", echo, "--text", "x").out.strip()
    other = headrace("jobs", "submit", echo, "--text", "y").out.strip()

    assert "CANCELED" in headrace("jobs", "cancel", job).out
    listed = headrace("jobs", "list", "--status", "SUBMITTED")
    assert other in listed.out
    assert job not in listed.out


def test_dead_letters_and_trying_them_again(headrace, echo, server):
    job = headrace("jobs", "submit", echo, "--text", "x", "--priority", "20", "--wait", "--json").json()[
        "jobIdentifier"
    ]

    assert job in headrace("jobs", "dead").out
    assert "killed by signal 9" in headrace("jobs", "dead", job).out
    again = headrace("jobs", "redrive", job)
    assert (0, job) == (again.code, again.out.strip())
    headrace("jobs", "redrive", job, "a", "b")
    asked = [body for _, path, body in server.requests if path == "redrive"]
    assert [{}, {"inputs": ["a", "b"]}] == asked


def test_an_unknown_job_ends_with_3(headrace):
    ended = headrace("jobs", "results", "nobody")

    assert 3 == ended.code
    assert "error: Job nobody not found" in ended.err


def test_control_characters_of_others_do_not_reach_the_terminal(headrace, echo, server):
    job = headrace("jobs", "submit", echo, "--text", "x", "--wait", "--json").json()["jobIdentifier"]
    server.jobs[job]["inputs"] = {"\x1b[2Jgone": {"input.txt": b"x"}}

    assert "\x1b" not in headrace("jobs", "results", job).out


@pytest.mark.parametrize("name", [".", "..", "a/b", "x" * 300, "", "\x00", "ü ~"])
def test_every_name_becomes_one_safe_file_name(name):
    made = safe_name(name)

    assert made
    assert made not in {".", ".."}
    assert "/" not in made
    assert len(made.encode()) <= 200


def test_different_names_become_different_files():
    names = ["", "%", ".", "..", "%2E", "a/b", "a%2Fb", "x" * 300, "x" * 301]

    assert len(names) == len({safe_name(name) for name in names})


@pytest.mark.parametrize(("text", "count"), [("8M", 8_000_000), ("1Mi", 1 << 20), ("500KB", 500_000), ("lots", 10**6)])
def test_the_announced_size_of_a_piece(text, count):
    assert count == job_inputs.piece_size(text)


def test_results_may_come_without_results():
    assert {} == Results().failures
