"""model.yaml: what a model folder says of itself, read into Claims. Every mistake is told with its key.

specification: "1"                    # or 0.3, 0.4: a model.yaml of the platform's own templates is read too
name: digits                          # everything is optional
summary: Tells which digit is on a picture
description: A longer text
entry: model.py:Model                 # file and class
inputs:
  image.png: {acceptedMediaTypes: [image/png], maxSize: 1M, description: 8 by 8 points}
outputs:
  results.json: {mediaType: application/json, maxSize: 1M}
  scores: {datatype: FP32, shape: [-1, 10]}   # a tensor: then the class gets and gives arrays (tensors.py)
maxBatchSize: 64                  # of tensors: requests of up to 64 rows run together
timeout: {status: 60s, run: 500ms}
resources: {memory: 512M, cpu: 1000m}
environment: {THRESHOLD: "0.5"}       # variables for the model's process
tags: [images, digits]
"""

import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from headrace.domain.errors import Invalid
from headrace.domain.image import Claims
from headrace.images.formats.recognise import FOR_TENSOR_CLASSES, FORMATS, KNOWN_FORMATS, recognise
from headrace.images.tensors import declared_tensors
from headrace.images.yaml import LARGEST, read_yaml

FILE = "model.yaml"
USUAL = "model.py:Model"
OURS = (
    *("name", "summary", "description", "entry", "inputs", "outputs", "maxBatchSize"),
    *("timeout", "resources", "environment", "tags"),
)
# keys of versions 0.3 and 0.4 that say nothing which is used here
IGNORED = ("specification", "type", "source", "version", "author", "releaseNotes", "metrics", "internal", "features")
KNOWN = (*OURS, *IGNORED, "filters")
LONGEST = 100_000  # characters of a text
LONGEST_TAG = 100
LONGEST_SHOWN = 80
MOST = 100  # entries of a list or a mapping
LARGEST_ENTRY_FILE = 16 << 20  # bytes

_FORMAT = re.compile(r"(?P<format>[a-z_]+):(?P<file>.+)")
_ENTRY = re.compile(r"(?P<file>[^:]+\.py):(?P<name>[A-Za-z_]\w*)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFUSED = ("LD_", "PYTHON", "HEADRACE", "GLIBC_")  # they would reach further than the model's own code
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_TIMES = {"ms": 1, "s": 1_000, "": 1_000, "m": 60_000, "h": 3_600_000}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?)B?|B)?", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_CPU = re.compile(r"\d+m|\d+(\.\d+)?")

Variables = tuple[tuple[str, str], ...]


def read_claims(folder: Path) -> tuple[Claims, str, Variables]:
    """What model.yaml says, the entry, and the variables. Raises Invalid."""
    given = _given(folder)
    for key in given:
        if key not in KNOWN:
            near = difflib.get_close_matches(key, KNOWN, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(OURS)}"
            raise Invalid(f"{FILE}: there is no key {key!r}; {hint}")
    entry = _entry(folder, given.get("entry"))
    return _claims(given), entry, _variables(_mapping(given, "environment"))


def claims_of(content: bytes) -> Claims:
    """Of a model.yaml that somebody else checked the files of. Raises Invalid."""
    return _claims(read_yaml(content, FILE))


@dataclass(frozen=True, slots=True)
class Nature:
    """What kind of model it is: its tensors as JSON ("" when none are declared), and what it needs besides its files.

    `requirements` where the folder brings none, `beside` in addition to those that it brings.
    """

    tensors: str
    requirements: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


def read_nature(folder: Path, entry: str) -> Nature:
    """Raises Invalid."""
    tensors = declared_tensors(_given(folder))
    found = recognise(folder)
    if found is not None and entry.partition(":")[0] == found.format:
        return Nature(tensors, found.requirements, found.beside)
    return Nature(tensors, FOR_TENSOR_CLASSES, ("numpy",)) if tensors else Nature("")


def _given(folder: Path) -> dict[str, Any]:
    file = folder / FILE
    if not file.is_file():
        return {}
    with file.open("rb") as content:
        return read_yaml(content.read(LARGEST + 1), FILE)


def _claims(given: dict[str, Any]) -> Claims:
    about = given.get("description")
    told = about if isinstance(about, dict) else {}
    timeout, resources = _mapping(given, "timeout"), _mapping(given, "resources")
    return Claims(
        name=_text(given, "name"),
        summary=_text(given, "summary") or _text(told, "summary", "description."),
        description=_text(told, "details", "description.") if told else _text(given, "description"),
        inputs=_files(given, "inputs", "acceptedMediaTypes"),
        outputs=_files(given, "outputs", "mediaType"),
        status_timeout=_time(timeout, "status"),
        run_timeout=_time(timeout, "run"),
        memory=_amount(resources, "memory", "size", _memory),
        cpu=_amount(resources, "cpu", "count", _cpu),
        tags=_tags(given.get("tags")),
        labels={_text(one, "type", "filters."): _text(one, "label", "filters.") for one in _list(given, "filters")},
    )


def _entry(folder: Path, said: Any) -> str:
    if said is None and (found := recognise(folder)) is not None:
        if found.lacks:
            raise Invalid(found.lacks)
        return found.entry
    if said is None and not (folder / "model.py").is_file():
        raise Invalid(
            f"there is no model.py in the folder, no {FILE} that names another entry (entry: file.py:Class), and no "
            f"model of a known format: {KNOWN_FORMATS}"
        )
    entry = USUAL if said is None else said
    if isinstance(entry, str) and (other := _FORMAT.fullmatch(entry)) and other["format"] in FORMATS:
        _check_inside(folder, other["file"])
        return entry
    match = _ENTRY.fullmatch(entry) if isinstance(entry, str) else None
    if match is None:
        raise Invalid(f"{FILE}: entry is {_shown(entry)}; write file and class, such as {USUAL}")
    _check_inside(folder, match["file"])
    with (folder / match["file"]).open("rb") as content:
        source = content.read(LARGEST_ENTRY_FILE)
    if not re.search(rb"\b" + match["name"].encode() + rb"\b", source):
        raise Invalid(
            f"{match['file']} has no class {match['name']}; write one, or name it in {FILE} (entry: file.py:Class)"
        )
    return entry if isinstance(entry, str) else USUAL


def _check_inside(folder: Path, name: str) -> None:
    file = PurePosixPath(name)
    if file.is_absolute() or ".." in file.parts or not (folder / file).exists():
        raise Invalid(f"{FILE}: entry names {name!r}, and there is no such file in the folder")


def _variables(said: dict[str, Any]) -> Variables:
    for name, value in said.items():
        if not _VARIABLE.fullmatch(name):
            raise Invalid(f"{FILE}: environment.{name[:80]} is not a name of a variable (letters, digits and _)")
        if name.upper().startswith(_REFUSED):
            raise Invalid(f"{FILE}: environment.{name} may not be set: names with {', '.join(_REFUSED)} are ours")
        if isinstance(value, (dict, list)) or value is None or "\0" in str(value):
            raise Invalid(f'{FILE}: environment.{name} is {_shown(value)}; write a text, such as {name}: "1"')
    return tuple((name, str(value)) for name, value in said.items())


def _files(given: dict[str, Any], key: str, types: str) -> tuple[tuple[str, str, int, str], ...]:
    """Name, media types with commas, largest size in bytes (0: not said), description."""
    found = []
    for name, fields in _mapping(given, key).items():
        said = {} if fields is None else fields
        if not isinstance(said, dict):
            raise Invalid(
                f"{FILE}: {key}.{name} is {_shown(fields)}; write a mapping with {types}, maxSize, description"
            )
        where = f"{key}.{name}."
        found.append(
            (name, _media_types(said.get(types), where + types), _size(said, where), _text(said, "description", where))
        )
    return tuple(found)


def _media_types(said: Any, where: str) -> str:
    types = said if isinstance(said, list) else str(said or "").split(",")
    cleaned = [str(one).strip() for one in types if str(one).strip()]
    for one in cleaned:
        if not re.fullmatch(r"[\w.+*-]+/[\w.+*-]+", one):
            raise Invalid(f"{FILE}: {where} has {_shown(one)}; write a media type such as application/json or image/*")
    return ",".join(cleaned)


def _size(said: dict[str, Any], where: str) -> int:
    value = said.get("maxSize")
    match = _SIZE.fullmatch(str(value).strip()) if value is not None else None
    if value is not None and match is None:
        raise Invalid(f"{FILE}: {where}maxSize is {_shown(value)}; write it like 512K, 5M or 1Gi")
    if match is None:
        return 0
    base = 1024 if match[3] else 1000
    return round(float(match[1]) * math.pow(base, _POWERS[(match[2] or "").upper()]))


def _time(said: dict[str, Any], key: str) -> int | None:
    """Milliseconds."""
    value = said.get(key)
    if value is None:
        return None
    match = _TIME.fullmatch(str(value).strip())
    if match is None or isinstance(value, bool) or float(match[1]) == 0:
        raise Invalid(f"{FILE}: timeout.{key} is {_shown(value)}; write it like 20s, 500ms or 2m")
    return max(1, round(float(match[1]) * _TIMES[match[2] or ""]))


def _amount(resources: dict[str, Any], key: str, inner: str, check: Callable[[str, str], str]) -> str:
    """`memory: 512M` of ours, or `memory: {size: 512M}` of the platform's templates."""
    value = resources.get(key)
    where = f"resources.{key}"
    if isinstance(value, dict):
        value, where = value.get(inner), f"{where}.{inner}"
    return "" if value is None else check(str(value).strip(), where)


def _memory(text: str, where: str) -> str:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise Invalid(f"{FILE}: {where} is {_shown(text)}; write it like 512M, 1G or 2Gi")
    return match[1] + (match[2] or "").upper() + (match[3] or "").lower()


def _cpu(text: str, where: str) -> str:
    if not _CPU.fullmatch(text):
        raise Invalid(f"{FILE}: {where} is {_shown(text)}; write it like 1000m (thousandths) or 0.5 (processors)")
    return text if text.endswith("m") else f"{round(float(text) * 1000)}m"


def _tags(said: Any) -> tuple[str, ...]:
    if said is None:
        return ()
    names = [one.get("name") if isinstance(one, dict) else one for one in said] if isinstance(said, list) else [None]
    if len(names) > MOST or not all(isinstance(name, str) and 0 < len(name) <= LONGEST_TAG for name in names):
        raise Invalid(f"{FILE}: tags is {_shown(said)}; write a list of at most {MOST} names, such as [images, digits]")
    return tuple(str(name) for name in names)


def _mapping(given: dict[str, Any], key: str) -> dict[str, Any]:
    value = given.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > MOST:
        raise Invalid(f"{FILE}: {key} is {_shown(value)}; write a mapping of at most {MOST} names")
    return {str(name): inner for name, inner in value.items()}


def _list(given: dict[str, Any], key: str) -> list[dict[str, Any]]:
    value = given.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Invalid(f"{FILE}: {key} is {_shown(value)}; write a list of mappings")
    return value


def _text(said: dict[str, Any], key: str, where: str = "") -> str:
    value = said.get(key)
    if isinstance(value, (dict, list)) or len(str(value)) > LONGEST:
        raise Invalid(f"{FILE}: {where}{key} is {_shown(value)}; write a text of at most {LONGEST} characters")
    return "" if value is None else str(value).strip()


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
