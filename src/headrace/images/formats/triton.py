"""A model of a Triton repository: config.pbtxt beside numbered folders. The highest number is the model."""

import re
from pathlib import Path

from headrace.images.formats.format import NUMPY, ORJSON, Found, beginning

FILES = {
    "model.py": (NUMPY, ORJSON),
    "model.onnx": ("onnxruntime==1.31.1", NUMPY, ORJSON),
    "model.pt": ("torch==2.13.0", NUMPY, ORJSON),
}
_DEFAULT = re.compile(rb'default_model_filename\s*:\s*"([^"/\\]+)"')


def recognise(folder: Path) -> Found | None:
    config = folder / "config.pbtxt"
    if not config.is_file():
        return None
    numbers = sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal() and path.is_dir())
    said = _DEFAULT.search(beginning(config))
    for number in reversed(numbers):
        for name in (said[1].decode(errors="replace"), *FILES) if said else FILES:
            if (folder / str(number) / name).is_file():
                needs = FILES.get(f"model{Path(name).suffix}", (NUMPY, ORJSON))
                return Found("triton", f"{number}/{name}", needs, beside=("numpy",))
    return None
