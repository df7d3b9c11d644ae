"""A model of a Triton repository: numbered folders, most often beside a config.pbtxt. The highest number is the model.

A version_policy may leave fewer of them. As in Triton, a model that says by itself what its tensors are needs no
config.pbtxt.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

from headrace.images.formats.format import NUMPY, ORJSON, Found, beginning

FILES = {
    "model.py": (NUMPY, ORJSON),
    "model.onnx": ("onnxruntime==1.31.1", NUMPY, ORJSON),
    "model.pt": ("torch==2.13.0", NUMPY, ORJSON),
}
SELF_EVIDENT = ("model.py", "model.onnx")
CLASS = b"TritonPythonModel"
SAID = ("requirements.txt", "pylock.toml", "uv.lock")
NOT_PACKED = (
    "config.pbtxt names a packed environment (EXECUTION_ENV_PATH), which is not used here: write the packages that "
    "the model needs into a requirements.txt beside it"
)
NOT_THERE = "version_policy of config.pbtxt names the version(s) {}, and no folder of such a number holds a model"
_PACKED = re.compile(rb"""^[^#\n]*\bkey\s*:\s*["']EXECUTION_ENV_PATH["']""", re.MULTILINE)
_ENSEMBLE = re.compile(
    rb"""^[^#\n]*\b(platform\s*:\s*["']ensemble["']|ensemble_scheduling\s*:?\s*[{<])""", re.MULTILINE
)
_SPECIFIC = re.compile(rb"""^[^#\n]*\bspecific\s*:?\s*[{<]([^}>]*)""", re.MULTILINE)
_NUMBERS = re.compile(rb"\d+")
_DEFAULT = re.compile(rb'default_model_filename\s*:\s*"([^"/\\]+)"')


def recognise(folder: Path) -> Found | None:
    config = folder / "config.pbtxt"
    if not config.is_file():
        return None
    begin = beginning(config)
    if _ENSEMBLE.search(begin):  # its version folder is empty, or not there
        return Found("triton", config.name, FILES["model.py"], beside=("numpy",))
    said = _DEFAULT.search(begin)
    policy = _SPECIFIC.search(begin)
    only = {int(one) for one in _NUMBERS.findall(policy[1])} if policy else None
    found = _newest(folder, [said[1].decode(errors="replace"), *FILES] if said else FILES, only)
    if found is None and only is not None and (other := _newest(folder, FILES)) is not None:
        return replace(other, lacks=NOT_THERE.format(", ".join(map(str, sorted(only)))))
    if found is not None and _PACKED.search(begin) and not any((folder / name).is_file() for name in SAID):
        return replace(found, lacks=NOT_PACKED)
    return found


def without_config(folder: Path) -> Found | None:
    """What auto_complete_config or an ONNX file says of the tensors."""
    found = _newest(folder, SELF_EVIDENT)
    if found is None or (found.path.endswith(".py") and CLASS not in beginning(folder / found.path)):
        return None
    return found


def _newest(folder: Path, names: Iterable[str], only: Collection[int] | None = None) -> Found | None:
    """`only`: the versions that version_policy publishes, where it names them."""
    numbers = sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal() and path.is_dir())
    if only is not None:
        numbers = [number for number in numbers if number in only]
    for number in reversed(numbers):
        for name in names:
            if (folder / str(number) / name).is_file():
                needs = FILES.get(f"model{Path(name).suffix}", (NUMPY, ORJSON))
                return Found("triton", f"{number}/{name}", needs, beside=("numpy",))
    return None
