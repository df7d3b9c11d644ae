"""A program exported by PyTorch: model.pt2."""

from pathlib import Path

from headrace.images.formats.format import NUMPY, ORJSON, Found, named_file

REQUIREMENTS = ("torch==2.13.0", NUMPY, ORJSON)


def recognise(folder: Path) -> Found | None:
    name = named_file(folder, "model.pt2", "*.pt2")
    return None if name is None else Found("torch_export", name, REQUIREMENTS)
