"""What a load request brings with it: files and a configuration (contracts/oip.md, A15), as the folder of a model.

`file:<path>` is a file: base64 by REST, bytes by gRPC. `config` is a ModelConfig as JSON, and becomes the config.pbtxt;
alone it is for the folder of the version that is there.
"""

import base64
import binascii
import importlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from headrace.domain.errors import Invalid

FILE, CONFIG, CONFIG_FILE = "file:", "config", "config.pbtxt"
TESTS = "test_input"  # files of this folder are tried before the version is published
MOST_FILES = 10_000
LONGEST_PATH = 1_000  # characters
CONFIG_TEXT = "headrace.api.oip.config_text"  # imported when somebody brings one: it takes a tenth of a second


@dataclass(frozen=True, slots=True)
class Brought:
    """Files by their paths in the model's folder, and those for the inputs that are tried first."""

    files: Mapping[str, bytes]
    tests: Mapping[str, bytes]

    @property
    def number(self) -> int:
        """The highest of the numbered folders, as in a Triton repository; 1 when there is none."""
        first = [PurePosixPath(path).parts[0] for path in self.files if "/" in path]
        return max((int(one) for one in first if one.isdecimal() and one.isascii() and len(one) < 10), default=1)  # noqa: PLR2004 - digits of a version

    @property
    def config_alone(self) -> bytes | None:
        """The text of a config.pbtxt, where nothing else was brought: all else is to stay as it is."""
        return self.files[CONFIG_FILE] if self.files.keys() == {CONFIG_FILE} else None

    def pack(self, file: IO[bytes], base: Path | None = None) -> None:
        """The folder as an archive. With a base, what that one has beside these files is in it, too."""
        with tarfile.open(fileobj=file, mode="w") as archive:
            for one in sorted(base.iterdir()) if base is not None else ():
                archive.add(one, one.name, filter=lambda entry: None if entry.name in self.files else entry)
            for path, content in sorted(self.files.items()):
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = len(content), 0o644
                archive.addfile(entry, io.BytesIO(content))


def brought(parameters: Mapping[str, object]) -> Brought | None:
    """None when the request brings nothing. Raises Invalid."""
    if not parameters:
        return None
    if strange := [key for key in parameters if key != CONFIG and not key.startswith(FILE)]:
        raise Invalid(f"load does not know the parameter '{strange[0][:200]}': it takes 'config' and 'file:<path>'")
    files = {_path(key): _content(key, value) for key, value in parameters.items() if key != CONFIG}
    if len(files) > MOST_FILES:
        raise Invalid(f"load takes at most {MOST_FILES} files, not {len(files)}")
    tests = {path: content for path, content in files.items() if path.startswith(f"{TESTS}/")}
    model = {path: content for path, content in files.items() if path not in tests}
    if CONFIG in parameters:
        if CONFIG_FILE in model:
            raise Invalid(f"load takes either the parameter 'config' or the file '{CONFIG_FILE}', not both")
        model[CONFIG_FILE] = _as_text(parameters[CONFIG])
    return Brought(model, {path.removeprefix(f"{TESTS}/"): content for path, content in tests.items()})


def _path(key: str) -> str:
    text = key.removeprefix(FILE)
    path = PurePosixPath(text)
    bad = not text.isprintable() or len(text) > LONGEST_PATH or path.is_absolute() or ".." in path.parts
    if bad or not text or str(path) != text:
        raise Invalid(f"'{key[:200]}' does not name a file: it should be like 'file:1/model.onnx'")
    return text


def _content(key: str, value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise Invalid(f"the parameter '{key}' should be the file's content in base64")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(f"the parameter '{key}' is not base64: {error}") from None


def _as_text(config: object) -> bytes:
    if not isinstance(config, str):
        raise Invalid("the parameter 'config' should be the JSON of a ModelConfig, as a text")
    found: bytes = importlib.import_module(CONFIG_TEXT).as_text(config)
    return found
