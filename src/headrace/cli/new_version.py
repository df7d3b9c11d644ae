"""Which model gets a version that is deployed, and which number that has."""

import re

from headrace.cli import resolve
from headrace.cli.api_client import Api
from headrace.cli.failure import ExitCode, Failure
from headrace.cli.model_folder import ModelFolder
from headrace.cli.shapes import ModelRow

FIRST_VERSION = "1.0.0"
SEMANTIC = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:[-+].*)?")


def existing(api: Api, name: str, wanted: str | None) -> ModelRow | None:
    """The model that gets a new version: the one asked for, else the one with exactly this name, else none."""
    if wanted:
        return resolve.model(api, wanted)
    same = [row for row in resolve.named(api, name) if row.name == name]
    if len(same) > 1:
        raise Failure(
            f"there are {len(same)} models called {name!r}",
            ExitCode.USAGE,
            cure=f"choose one with --model {same[0].model_id}, or give another --name",
        )
    return same[0] if same else None


def choose_version(wanted: str | None, folder: ModelFolder, row: ModelRow | None) -> str:
    """The one asked for; else model.yaml's, if it is free; else the next after the newest."""
    taken = set(row.versions) if row else set()
    if wanted:
        if wanted in taken:
            raise Failure(f"version {wanted} exists already: give another --version", ExitCode.USAGE)
        return wanted
    first = folder.version or FIRST_VERSION
    if first not in taken:
        return first
    newest = max(tuple(int(part) for part in found.groups()) for text in taken if (found := SEMANTIC.fullmatch(text)))
    return f"{newest[0]}.{newest[1]}.{newest[2] + 1}"
