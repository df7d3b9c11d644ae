"""A model of LightGBM: its text form."""

from pathlib import Path

from headrace.images.formats.format import NUMPY, ORJSON, Found, beginning, named_file

REQUIREMENTS = ("lightgbm==4.7.0", NUMPY, ORJSON)


def recognise(folder: Path) -> Found | None:
    name = named_file(folder, "model.txt", "model.lgb", "*.lgb", "model.bst", "*.bst")
    if name is None or not beginning(folder / name).startswith(b"tree"):
        return None
    return Found("lightgbm", name, REQUIREMENTS)
