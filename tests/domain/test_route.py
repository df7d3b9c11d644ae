"""Paths that models may declare, and which requests they take."""

import pytest

from headrace.domain.route import MOST, fits, refusal, segments


@pytest.mark.parametrize(
    "path",
    ["/invocations", "/ping", "/items/{item}", "/items/{item:int}/parts", "/files/{rest:path}", "/v1/chat/completions"],
)
def test_usual_paths_are_allowed(path):
    assert refusal([("POST", path)]) is None


@pytest.mark.parametrize(
    ("method", "path", "why"),
    [
        ("BREW", "/pot", "a method that is not one of"),
        ("GET", "ping", "begins with a slash"),
        ("GET", "/" + "a" * 400, "at most 300 characters"),
        ("GET", "/v2/health/live", "belongs to the server"),
        ("GET", "/", "belongs to the server"),
        ("GET", "/{anything}", "belongs to the server"),
        ("GET", "/infer", "the server's own infer below the model"),
        ("GET", "/a/v{number}", "a segment is fixed, or one parameter"),
        ("GET", "/a/{rest:path}/b", "not the last segment"),
    ],
)
def test_others_are_refused_with_a_sentence(method, path, why):
    said = refusal([("POST", "/good"), (method, path)])
    assert said is not None
    assert why in said
    assert path[:300] in said


def test_too_many_and_twice():
    assert "101 handlers" in str(refusal([("GET", f"/a/{number}") for number in range(MOST + 1)]))
    assert "the same method and path" in str(refusal([("GET", "/a"), ("GET", "/a")]))
    assert refusal([("GET", "/a"), ("POST", "/a")]) is None


@pytest.mark.parametrize(
    ("path", "asked", "taken"),
    [
        ("/ping", "/ping", True),
        ("/ping/", "/ping", True),
        ("/ping", "/ping/", True),
        ("/ping", "/pong", False),
        ("/ping", "/ping/more", False),
        ("/items/{item}", "/items/7", True),
        ("/items/{item}", "/items", False),
        ("/items/{item}", "/items//", False),
        ("/items/{item}/parts", "/items/7/parts", True),
        ("/files/{rest:path}", "/files/a/b/c", True),
        ("/files/{rest:path}", "/files", False),
    ],
)
def test_which_requests_a_path_takes(path, asked, taken):
    assert fits(path, segments(asked)) is taken
