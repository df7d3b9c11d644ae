"""Paths: literal before parameter, each segment decoded by itself, and the right refusal."""

import pytest

from headrace.api.endpoint import Endpoint
from headrace.api.errors import Problem
from headrace.api.table import Table
from headrace.domain.errors import Invalid


async def _nothing(_call):
    return None


def _row(method, path):
    return Endpoint(method, path, "", None, _nothing)


TABLE = Table(
    [
        _row("GET", "/"),
        _row("GET", "/api/jobs"),
        _row("POST", "/api/jobs"),
        _row("DELETE", "/api/jobs"),
        _row("GET", "/api/jobs/features"),
        _row("GET", "/api/jobs/{job}"),
        _row("POST", "/api/jobs/{job}/close"),
        _row("POST", "/api/jobs/{job}/{input}/{key}"),
        _row("GET", "/api/results/{job}/datasource/{input}"),
        _row("GET", "/api/results/{job}/vote/{input}"),
        _row("POST", "/api/results/{job}/upvote/{input}"),
        _row("GET", "/api/results/{job}/{input}/{output}"),
        _row("GET", "/api/models/{model}/versions/{version}"),
        _row("GET", "/api/models/all/versions/all"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "found", "params"),
    [
        ("GET", "/", "/", {}),
        ("HEAD", "/api/jobs", "/api/jobs", {}),
        ("GET", "/api/jobs/features", "/api/jobs/features", {}),
        ("GET", "/api/jobs/x", "/api/jobs/{job}", {"job": "x"}),
        ("POST", "/api/jobs/x/close", "/api/jobs/{job}/close", {"job": "x"}),
        ("POST", "/api/jobs/x//k", "/api/jobs/{job}/{input}/{key}", {"job": "x", "input": "", "key": "k"}),
        (
            "POST",
            "/api/jobs/x/a%2Fb%20%C3%A4/..",
            "/api/jobs/{job}/{input}/{key}",
            {"job": "x", "input": "a/b ä", "key": ".."},
        ),
        ("POST", "/api/jobs/x/%252F/k", "/api/jobs/{job}/{input}/{key}", {"job": "x", "input": "%2F", "key": "k"}),
        ("GET", "/api/results/x/datasource/", "/api/results/{job}/datasource/{input}", {"job": "x", "input": ""}),
        ("GET", "/api/results/x/vote/a", "/api/results/{job}/vote/{input}", {"job": "x", "input": "a"}),
        (
            "GET",
            "/api/results/x/upvote/a",
            "/api/results/{job}/{input}/{output}",
            {"job": "x", "input": "upvote", "output": "a"},
        ),
        ("GET", "/api/models/all/versions/all", "/api/models/all/versions/all", {}),
        (
            "GET",
            "/api/models/all/versions/1.0.0",
            "/api/models/{model}/versions/{version}",
            {"model": "all", "version": "1.0.0"},
        ),
    ],
)
def test_finds(method, path, found, params):
    row, values = TABLE.find(method, path.encode())
    assert (found, params) == (row.path, values)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/models", 404),
        ("DELETE", "/api/jobs/", 404),  # an empty identifier must never mean all of them
        ("GET", "/api/jobs/x/y", 404),
        ("GET", "/api//jobs", 404),
        ("PUT", "/api/jobs", 405),
        ("GET", "/api/jobs/x/close", 405),
        ("OPTIONS", "/api/jobs", 405),
    ],
)
def test_refuses(method, path, status):
    with pytest.raises(Problem) as told:
        TABLE.find(method, path.encode())
    assert status == told.value.status


def test_405_says_what_is_possible():
    with pytest.raises(Problem) as told:
        TABLE.find("PUT", b"/api/jobs")
    assert {"Allow": "DELETE, GET, HEAD, POST"} == told.value.headers
    with pytest.raises(Problem) as told:
        TABLE.find("GET", b"/api/jobs/x/close")
    assert {"Allow": "POST"} == told.value.headers


@pytest.mark.parametrize(("path", "says"), [(b"/api/jobs/%FF", "UTF-8"), (b"/api/jobs/a%00b", "NUL")])
def test_a_path_that_is_no_text(path, says):
    with pytest.raises(Invalid, match=says):
        TABLE.find("GET", path)


def test_a_row_that_is_there_twice_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="twice"):
        Table([_row("GET", "/a/{b}"), _row("GET", "/a/{c}")])
