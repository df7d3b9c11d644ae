"""Folders of MLServer and Triton on this side: what their own files say for a deployment, and which models lie in one.

The name is theirs, `name` of model-settings.json or config.pbtxt. The version is the semantic version that
`parameters.version` stands for (v0.1.0 is 0.1.0, 3 is 3.0.0), of a Triton folder its highest number N as N.0.0.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from headrace.domain.errors import Invalid
from headrace.domain.ids import check_version
from headrace.images.formats.recognise import recognise
from headrace.runners.harness.adapters.pbtxt import Reader, Unreadable, as_list

SETTINGS, CONFIG = "model-settings.json", "config.pbtxt"
LARGEST = 1 << 20  # bytes of such a file
DEEPEST = 4  # folders between a repository and a model in it
CONDA = ("environment.yml", "environment.yaml", "conda.yaml", "conda.yml")
_VERSION = re.compile(r"v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?([-+][0-9A-Za-z.+-]+)?")


def said(folder: Path) -> dict[str, str]:
    """`name` and `version`, where the folder's own files say them."""
    if (folder / SETTINGS).is_file():
        found = _settings(folder)
        version = _mapping(found.get("parameters")).get("version")
    else:
        found, known = _config(folder), recognise(folder)
        version = known.path.partition("/")[0] if known is not None and known.format == "triton" else None
    told = {"name": found.get("name"), "version": semantic(str(version or ""))}
    return {key: value for key, value in told.items() if isinstance(value, str) and value}


def semantic(text: str) -> str:
    """The semantic version that a version of MLServer's or Triton's stands for; "" for any other text."""
    found = _VERSION.fullmatch(text)
    if found is None:
        return ""
    try:
        return check_version(".".join(str(int(part or 0)) for part in found.groups()[:3]) + (found[4] or ""))
    except Invalid:
        return ""


def models_in(path: Path) -> list[Path]:
    """The models of MLServer and Triton below a folder that is none itself."""
    if not path.is_dir() or (path / "model.yaml").is_file() or (path / "model.py").is_file() or recognise(path):
        return []
    return list(_below(path, 1))


def _below(path: Path, depth: int) -> Iterator[Path]:
    for entry in sorted(os.scandir(path), key=lambda one: one.name):
        folder = Path(entry.path)
        if not entry.is_dir(follow_symlinks=False) or entry.name.startswith((".", "__")) or entry.name.isdecimal():
            continue  # a number is a version of the folder above
        found = recognise(folder)
        if found is not None and found.format in {"mlserver", "triton"}:
            yield folder
        elif depth < DEEPEST:
            yield from _below(folder, depth + 1)


def left_out(folder: Path) -> list[str]:
    """What of the folder is not read here, as sentences: an environment that somebody packed for another server."""
    parameters = _mapping(_settings(folder).get("parameters"))
    named = [f"{SETTINGS}: {key}" for key in ("environment_tarball", "environment_path") if parameters.get(key)]
    if any(_mapping(one).get("key") == "EXECUTION_ENV_PATH" for one in as_list(_config(folder).get("parameters"))):
        named.append(f"{CONFIG}: EXECUTION_ENV_PATH")
    if (folder / SETTINGS).is_file() or (folder / CONFIG).is_file():
        named += [name for name in CONDA if (folder / name).is_file()]
    return [f"{one} is not read: name the packages that the model needs in requirements.txt" for one in named]


def _settings(folder: Path) -> dict[str, Any]:
    try:
        return _mapping(json.loads(_text(folder / SETTINGS)))
    except ValueError:
        return {}  # the server says what is wrong with it


def _config(folder: Path) -> dict[str, Any]:
    try:
        return Reader(_text(folder / CONFIG)).message()
    except (Unreadable, ValueError):
        return {}  # as above


def _text(file: Path) -> str:
    if not file.is_file() or file.stat().st_size > LARGEST:
        return ""
    return file.read_text(encoding="utf-8", errors="replace")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
