"""From texts, files and folders on the command line to the inputs of one job, and the two ways to send them."""

import base64
import io
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.cli.api_client import Api, decode, segment
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.shapes import Features, Job, VersionDetails

TOGETHER = 8 << 20  # bytes: files that are smaller all together go in one request
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}

Files = dict[str, dict[str, Path]]  # the user's key → the model's key → file


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user typed."""

    texts: tuple[str, ...] = ()
    files: tuple[str, ...] = ()  # PATH or INPUT=PATH
    folder: Path | None = None
    input_name: str | None = None

    def check(self) -> None:
        kinds = sum((bool(self.texts), bool(self.files), self.folder is not None))
        if kinds != 1:
            raise Failure(
                "give exactly one of --text, --file and --folder (the first two may be repeated)", ExitCode.USAGE
            )


def the_input(version: VersionDetails, wanted: str | None) -> str:
    """The model-defined key: the one asked for, or the only one there is."""
    names = [one.name for one in version.inputs]
    if wanted:
        if names and wanted not in names:
            raise Failure(f"the model has no input {wanted!r}; it has {', '.join(names)}", ExitCode.USAGE)
        return wanted
    match names:
        case [one]:
            return one
        case []:
            raise Failure("the version does not say what its input is called: give --input NAME", ExitCode.USAGE)
        case _:
            raise Failure(f"the model has several inputs: say --input with one of {', '.join(names)}", ExitCode.USAGE)


def texts(asked: Asked, version: VersionDetails) -> dict[str, dict[str, str]]:
    key = the_input(version, asked.input_name)
    return {f"text-{number}": {key: _text(text)} for number, text in enumerate(asked.texts, 1)}


def _text(text: str) -> str:
    return sys.stdin.read() if text == "-" else text


def files(asked: Asked, version: VersionDetails) -> Files:
    """Each file is an input of its own, named after the file; INPUT=PATH files together are one input."""
    if asked.folder is not None:
        root = _folder(asked.folder)
        key = the_input(version, asked.input_name)
        found = {str(path.relative_to(root)): {key: path} for path in sorted(root.rglob("*")) if path.is_file()}
        if not found:
            raise Failure(f"there are no files in {root}", ExitCode.USAGE)
        return found
    names = {one.name for one in version.inputs}
    keyed = [file.partition("=") for file in asked.files]
    if all(equals and name in names for name, equals, _ in keyed):
        return {"job": {name: _file(path) for name, _, path in keyed}}
    key = the_input(version, asked.input_name)
    chosen = [_file(file) for file in asked.files]
    unique = len({path.name for path in chosen}) == len(chosen)
    return {path.name if unique else str(path): {key: path} for path in chosen}


def _file(path: str) -> Path:
    if not Path(path).is_file():
        raise Failure(f"{path} is not a file", ExitCode.USAGE)
    return Path(path)


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise Failure(f"{path} is not a folder", ExitCode.USAGE)
    return path


def embedded(content: bytes) -> str:
    """The data-URI that the API wants for bytes."""
    return "data:application/octet-stream;base64," + base64.b64encode(content).decode()


def fits_together(chosen: Files) -> bool:
    return sum(path.stat().st_size for parts in chosen.values() for path in parts.values()) <= TOGETHER


def submit(api: Api, job: Mapping[str, Any], kind: str, sources: Mapping[str, Mapping[str, str]]) -> bytes:
    """One request that holds everything. Answers the receipt."""
    return api.post("jobs", {**job, "input": {"type": kind, "sources": sources}})


def submit_files(api: Api, job: Mapping[str, Any], chosen: Files, sent: Callable[[int], None]) -> bytes:
    """An open job, its files in pieces, then closed; `sent` is told the bytes of each piece. Answers the receipt.

    Whatever goes wrong on the way, the job does not stay open.
    """
    piece = piece_size(api.read(Features, "jobs/features").input_chunk_maximum_size)
    identifier = decode(api.post("jobs", job), Job).job_identifier
    try:
        for user_key, parts in chosen.items():
            for model_key, path in parts.items():
                _append(api, f"jobs/{identifier}/{segment(user_key)}/{segment(model_key)}", path, piece, sent)
        return api.post(f"jobs/{identifier}/close")
    except BaseException:
        api.delete(f"jobs/{identifier}")
        raise


def _append(api: Api, route: str, path: Path, piece: int, sent: Callable[[int], None]) -> None:
    with path.open("rb") as file:
        while content := file.read(piece):
            api.upload(route, "input", io.BytesIO(content), "input")
            sent(len(content))


def piece_size(text: str) -> int:
    """Bytes of the server's "8M" or "1Mi"; one megabyte when it says nothing that we know."""
    found = re.fullmatch(r"(\d+)\s*([KMG]?i?)B?", text.strip())
    if not found or found[2] not in UNITS:
        return UNITS["M"]
    return max(1, int(found[1]) * UNITS[found[2]])
