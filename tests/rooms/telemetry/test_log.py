"""One line for each request, off by default, and never more than who, what and how long."""

import json
from time import monotonic

import pytest

from headrace.domain.errors import Invalid
from headrace.telemetry.log import Line, access_log
from headrace.telemetry.requests import Requests

LINE = Line("GET", "/api/jobs?apiKey=secret", "200", 0.0123, "127.0.0.1")


def written(style: str, line: Line = LINE) -> str:
    lines: list[str] = []
    log = access_log(style, lines.append)
    assert log is not None
    log(line)
    return "".join(lines)


def test_it_is_off_by_default():
    assert access_log("off") is None


def test_an_unknown_style_is_refused():
    with pytest.raises(Invalid, match="should be off, plain, json, not 'xml'"):
        access_log("xml")


def test_a_plain_line():
    assert "127.0.0.1 GET /api/jobs 200 12.3 ms\n" == written("plain").partition(" ")[2]


def test_a_json_line():
    told = json.loads(written("json"))

    assert {"method": "GET", "path": "/api/jobs", "status": "200", "seconds": 0.0123, "client": "127.0.0.1"} == {
        name: value for name, value in told.items() if name != "at"
    }


@pytest.mark.parametrize("style", ["plain", "json"])
def test_a_path_cannot_make_a_line_of_its_own(style: str):
    assert 1 == written(style, Line("GET", "/a\n2026 127.0.0.1 GET /b 200", "404", 0.1)).count("\n")


async def test_requests_are_counted_by_route_and_outcome():
    lines: list[str] = []
    requests = Requests("http", access_log("plain", lines.append))
    for status in ("200", "200", "404"):
        requests.over("/api/jobs/{job}", "GET", status, monotonic(), path="/api/jobs/7")
    [count, seconds] = await requests.families()

    assert "headrace_http_requests_total" == count.name
    assert [("200", 2), ("404", 1)] == [(dict(one.labels)["code"], one.value) for one in count.samples]
    assert all(0 <= one.value < 1 for one in seconds.samples)
    assert ["GET /api/jobs/7 200"] * 2 == [" ".join(line.split()[2:5]) for line in lines[:2]]


async def test_labels_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("headrace.telemetry.requests.MOST", 2)
    requests = Requests("http")
    for route in "abcd":
        requests.over(route, "GET", "200", monotonic())
    [count, _] = await requests.families()

    assert ["a", "b", "other"] == [dict(one.labels)["route"] for one in count.samples]
