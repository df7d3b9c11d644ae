"""What became of a job's inputs: as a table for people, and as files in a folder."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from headrace.cli.api_client import Api, segment
from headrace.cli.output import clean, seconds, table
from headrace.cli.shapes import Results

SHOWN = 20  # inputs in a table, unless all are asked for
CELL = 100  # characters of one output in a table
CLASSES = 3  # predictions of one input in a table
LONGEST_NAME = 200  # bytes of a file name; file systems take 255


def outputs(result: dict[str, Any]) -> dict[str, Any]:
    """The outputs among the fields of one input's result: their names have a dot, ours have none."""
    return {name: value for name, value in result.items() if "." in name}


def top_class(result: dict[str, Any]) -> str | None:
    """The likeliest class of a result in the classification convention (contract A.7), None for any other."""
    predictions = _predictions(outputs(result).get("results.json"))
    return predictions[0][0] if predictions else None


def _predictions(value: Any) -> list[tuple[str, float]]:
    try:
        pairs = [(str(one["class"]), float(one["score"])) for one in value["data"]["result"]["classPredictions"]]
    except (KeyError, TypeError, ValueError):
        return []
    return sorted(pairs, key=lambda pair: pair[1], reverse=True)


def result_table(answer: Results, *, everything: bool) -> RenderableType:
    limit = None if everything else SHOWN
    rows = list(input_rows(answer))
    head = f"{answer.completed} of {answer.total} inputs done, {answer.failed} failed, {seconds(answer.elapsed_time)}"
    if not answer.finished:
        head += ", still running"
    parts: list[RenderableType] = [Text(head), inputs_table(rows[:limit])]
    if limit is not None and len(rows) > limit:
        parts.append(Text(f"… and {len(rows) - limit} more: --all shows them, --output FOLDER writes them to files"))
    return Group(*parts)


def inputs_table(rows: Iterable[tuple[str, Text, str]]) -> Table:
    return table(("input", "result", "model time"), rows, right=("model time",))


def input_rows(answer: Results) -> Iterator[tuple[str, Text, str]]:
    for name, failure in answer.failures.items():  # first, so that they are seen
        yield name, Text(clean(str(failure.get("error") or "failed")), style="red"), ""
    for name, result in answer.results.items():
        latency = result.get("modelLatency")
        yield name, Text(clean(in_short(result))), seconds(latency) if isinstance(latency, int | float) else ""


def in_short(result: dict[str, Any]) -> str:
    """The classes of a classification, or the beginning of whatever else the outputs are."""
    found = outputs(result)
    if predictions := _predictions(found.get("results.json")):
        return ", ".join(f"{name} {score:.2f}" for name, score in predictions[:CLASSES])
    texts = (f"{name}: {value if isinstance(value, str) else _json(value)}" for name, value in found.items())
    joined = "  ".join(texts).replace("\n", " ")
    return joined if len(joined) <= CELL else joined[: CELL - 1] + "…"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def write_files(api: Api, answer: Results, folder: Path) -> Iterator[Path]:
    """folder/<input>/<output>, and folder/<input>/error.txt for a failed one. Yields each file that was written."""
    for name, failure in answer.failures.items():
        yield _write(folder, name, "error.txt", (str(failure.get("error") or "failed") + "\n").encode())
    for name, result in answer.results.items():
        for output, value in outputs(result).items():
            if isinstance(value, str):  # text, or the URL of bytes: the server has it exactly
                route = f"results/{answer.job_identifier}/datasource/{segment(name)}/output/{segment(output)}"
                content = api.get(route)
            else:
                content = msgspec.json.encode(value)
            yield _write(folder, name, output, content)


def _write(folder: Path, name: str, output: str, content: bytes) -> Path:
    path = folder / safe_name(name) / safe_name(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def safe_name(name: str) -> str:
    """A file name for any text: no slash, no dots alone, not too long; two texts never share one."""
    quoted = quote(name, safe=" ()+,=@[]")
    if not quoted.strip("."):
        quoted = quoted.replace(".", "%2E") or "%"
    if len(quoted) > LONGEST_NAME:
        quoted = f"{quoted[: LONGEST_NAME - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    return quoted
