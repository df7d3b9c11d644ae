"""Examples made from a run test."""

import json

from headrace.deployment.samples import sample_input, sample_output
from headrace.domain.body import BlobRef
from headrace.domain.ids import VersionKey
from headrace.domain.version import RunResult

KEY = VersionKey("ed542963de", "1.0.1")


def source(bodies):
    example = json.loads(sample_input(KEY, bodies))
    assert {"identifier": "ed542963de", "version": "1.0.1"} == example["model"]
    return example["input"]["type"], example["input"]["sources"]["0001"]


def test_text_is_shown_as_text() -> None:
    assert ("text", {"input.txt": "grün", "config.json": "{}"}) == source(
        {"input.txt": "grün".encode(), "config.json": b"{}"}
    )


def test_one_binary_file_makes_it_an_embedded_job() -> None:
    assert ("embedded", {"a.png": "data:image/png;base64,iVA=", "b": "data:application/octet-stream;base64,eA=="}) == (
        source({"a.png": b"\x89P", "b": b"x"})
    )


def test_a_large_file_is_hinted_at() -> None:
    hint = "data:image/jpeg;base64,<the file in base64>"
    assert ("embedded", {"a.jpg": hint}) == source({"a.jpg": BlobRef("ab", 1 << 20)})
    assert ("embedded", {"a.jpg": hint}) == source({"a.jpg": b"x" * 20_000})


def test_a_result() -> None:
    outputs = (
        ("results.json", "application/json", '{"score": 0.9}'),
        ("said.txt", "text/plain", "HI"),
        ("broken.json", "application/json", "{"),
        ("mask.png", "image/png", ""),
    )
    example = json.loads(sample_output(RunResult("SUCCESSFUL", "engine-1", None, 1_000, 1_500, 1_500, 2, 500, outputs)))

    assert {
        "status": "SUCCESSFUL",
        "engine": "engine-1",
        "startTime": "1970-01-01T00:00:01.000+00:00",
        "updateTime": "1970-01-01T00:00:01.500+00:00",
        "endTime": "1970-01-01T00:00:01.500+00:00",
        "elapsedTime": 500,
        "results.json": {"score": 0.9},
        "said.txt": "HI",
        "broken.json": "{",
        "mask.png": "<server>/api/results/<job identifier>/0001/mask.png",
    } == example["results"]["0001"]
    assert (1, 0, True) == (example["completed"], example["failed"], example["finished"])
