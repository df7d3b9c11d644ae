"""A model folder on this side: what model.yaml says for the steps of the deployment, test files, the archive."""

import gzip
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import yaml

from headrace.cli import foreign
from headrace.cli.failure import ExitCode, Failure
from headrace.images.formats.recognise import KNOWN_FORMATS, recognise

T = TypeVar("T", list[Any], dict[str, Any])

LARGEST_YAML = 1 << 20  # bytes
TEST_INPUTS = "test_input"  # a folder with one file for each input, named after it
REQUEST = "request.json"  # in that folder: an Open Inference request for all inputs
CUSTOMARY = "inference-request.json"  # how such a request is called in the folders of MLServer's examples
PICTURES = ("picture.png", "picture.jpg", "picture.jpeg")
LEFT_OUT = {".git", ".venv", "venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".DS_Store"}
TIMES = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
KINDS: Mapping[type, str] = {list: "a list", dict: "keys and values"}
BYTES = {"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
BINARY = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """`about` is model.yaml as it stands; the server checks it again and has the last word."""

    path: Path
    about: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.about.get("name") or self.path.resolve().name)

    @property
    def version(self) -> str:
        return str(self.about.get("version") or "")

    def description(self, part: str) -> str:
        """summary, details, technical or performance."""
        described = self.about.get("description")
        if isinstance(described, dict):
            return str(described.get(part) or "")
        return str(self.about.get(part) or (described if part == "details" else "") or "")

    def text(self, key: str) -> str:
        return str(self.about.get(key) or "")

    @property
    def tags(self) -> list[str]:
        """Each is a name, or a mapping with one."""
        said = _kind(self.about, "tags", list)
        return [str(tag.get("name") if isinstance(tag, dict) else tag) for tag in said if tag]

    def test_files(self, names: Iterable[str], *, tensors: bool) -> dict[str, Path]:
        """By model input: the file with the input's name, with or without a suffix, in test_input/.

        For a model that takes tensors, else one request for all of them: there, or beside MLServer's settings.
        """
        there = sorted(path for path in (self.path / TEST_INPUTS).glob("*") if path.is_file())
        found = {}
        for name in names:
            match = [path for path in there if path.name == name] or [path for path in there if path.stem == name]
            if match:
                found[name] = match[0]
        if found or not tensors:
            return found
        requests = (self.path / TEST_INPUTS / REQUEST, self.path / CUSTOMARY)
        return next(({REQUEST: path} for path in requests if path.is_file()), {})

    def picture(self) -> Path | None:
        return next((self.path / name for name in PICTURES if (self.path / name).is_file()), None)

    def inputs(self) -> list[dict[str, Any]]:
        """As the version PATCH wants them."""
        return [
            {
                "name": name,
                "acceptedMediaTypes": _comma(said.get("acceptedMediaTypes")),
                "maximumSize": size_of(said.get("maxSize"), f"inputs.{name}.maxSize"),
                "description": str(said.get("description") or ""),
            }
            for name, said in self._mapping("inputs").items()
        ]

    def outputs(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "mediaType": _comma(said.get("mediaType")),
                "maximumSize": size_of(said.get("maxSize"), f"outputs.{name}.maxSize"),
                "description": str(said.get("description") or ""),
            }
            for name, said in self._mapping("outputs").items()
        ]

    def metrics(self) -> list[dict[str, Any]]:
        return [
            {
                "label": str(said.get("label") or ""),
                "category": str(said.get("category") or ""),
                "type": str(said.get("type") or ""),
                "description": str(said.get("description") or ""),
                "highlight": bool(said.get("highlight", place == 0)),
                "order": place,
                "value": said.get("value", 0),
            }
            for place, said in enumerate(_kind(self.about, "metrics", list))
            if isinstance(said, dict)
        ]

    def timeout(self) -> dict[str, int]:
        """Milliseconds; only what model.yaml says."""
        said = _kind(self.about, "timeout", dict)
        return {name: time_of(said[name], f"timeout.{name}") for name in ("status", "run") if name in said}

    def needs(self) -> tuple[float, int, int]:
        """Processors, bytes of memory, GPUs; 0 where model.yaml is silent."""
        said = _kind(self.about, "resources", dict)
        cpu, memory, gpu = _amount(said, "cpu", "count"), _amount(said, "memory", "size"), _amount(said, "gpu", "count")
        return (
            _number(cpu or 0, "resources.cpu"),
            size_of(memory, "resources.memory"),
            int(_number(gpu or 0, "resources.gpu")),
        )

    def _mapping(self, key: str) -> dict[str, dict[str, Any]]:
        said = _kind(self.about, key, dict)
        return {str(name): fields if isinstance(fields, dict) else {} for name, fields in said.items()}


def read(path: Path) -> ModelFolder:
    """Raises Failure for a folder that cannot be a model's."""
    if path.is_file():  # an image: what it takes and gives it says itself, to the server
        return ModelFolder(path, {"name": path.name.partition(".")[0]})
    if not path.is_dir():
        cure = "name a folder with model.py and model.yaml, or an image's file; for one in a registry add --registry"
        raise Failure(f"{path} is neither a folder nor a file", ExitCode.USAGE, cure=cure)
    file = path / "model.yaml"
    if not file.exists():
        if not (path / "model.py").exists() and recognise(path) is None:
            cure = f"known are model.py and {KNOWN_FORMATS}"
            raise Failure(
                f"{path} has neither model.yaml nor model.py, nor a model of a known format", ExitCode.USAGE, cure=cure
            )
        return ModelFolder(path, foreign.said(path))
    if file.stat().st_size > LARGEST_YAML:
        raise Failure(f"{file} is larger than {LARGEST_YAML} bytes", ExitCode.USAGE)
    try:
        about = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Failure(f"{file} is not YAML: {error}", ExitCode.USAGE) from error
    if not isinstance(about, dict):
        raise Failure(f"{file} should hold keys and values", ExitCode.USAGE)
    return ModelFolder(path, foreign.said(path) | about)


def pack(folder: ModelFolder, into: IO[bytes]) -> int:
    """A tar.gz of the folder, the same bytes for the same files. Answers how many files it holds."""
    count = 0
    with (
        gzip.GzipFile(filename="", fileobj=into, mode="wb", compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in packed_files(folder.path):
            entry = archive.gettarinfo(path, arcname=str(path.relative_to(folder.path)))
            entry.uid = entry.gid = entry.mtime = 0
            entry.uname = entry.gname = ""
            with path.open("rb") as content:
                archive.addfile(entry, content)
            count += 1
    return count


def packed_files(folder: Path) -> Iterator[Path]:
    """All files but caches, environments and version control. Raises Failure for a link: it would lead elsewhere."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
        for name in sorted(files):
            path = Path(root) / name
            if path.is_symlink() or not path.is_file():
                raise Failure(
                    f"{path} is a link or no plain file: a model folder holds plain files only", ExitCode.USAGE
                )
            if name not in LEFT_OUT and path.suffix != ".pyc":
                yield path


def _amount(said: Mapping[str, Any], key: str, inner: str) -> Any:
    """`memory: 512M`, or `memory: {size: 512M}` of the platform's own templates."""
    value = said.get(key)
    return value.get(inner) if isinstance(value, dict) else value


def _kind(said: Mapping[str, Any], key: str, kind: type[T]) -> T:
    """The value of a key, empty when it is not there. Raises Failure when it is something else."""
    value = said.get(key)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise Failure(f"model.yaml: {key} should hold {KINDS[kind]}", ExitCode.USAGE)
    return value


def time_of(said: Any, key: str) -> int:
    """Milliseconds of "20s", "500ms" or plain seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?", str(said).strip())
    if not found:
        raise Failure(f"model.yaml: {key} is {said!r}; it should be like 20s", ExitCode.USAGE)
    return round(float(found[1]) * TIMES[found[2] or "s"])


def size_of(said: Any, key: str) -> int:
    """Bytes of "512M", "1Gi", "1G" or a plain number; 0 when it is not said."""
    if said is None:
        return 0
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?)B?)?", str(said).strip(), re.IGNORECASE)
    if not found:
        raise Failure(f"model.yaml: {key} is {said!r}; it should be like 512M or 1G", ExitCode.USAGE)
    unit = (BINARY if found[3] else BYTES)[found[2].upper()] if found[2] else 1
    return round(float(found[1]) * unit)


def _number(said: Any, key: str) -> float:
    """Of 2, 0.5, "1" or "500m"."""
    text = str(said).strip()
    try:
        return float(text[:-1]) / 1000 if text.endswith("m") else float(text)
    except ValueError as error:
        raise Failure(f"model.yaml: {key} is {said!r}; it should be a number", ExitCode.USAGE) from error


def _comma(said: Any) -> str:
    return ",".join(str(one) for one in said) if isinstance(said, list) else str(said or "")
