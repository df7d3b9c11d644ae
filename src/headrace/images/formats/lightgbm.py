"""A model of LightGBM: its text form."""

from pathlib import Path

from headrace.images.formats.format import NUMPY, ORJSON, Found, beginning, named_file

REQUIREMENTS = ("lightgbm==4.7.0", NUMPY, ORJSON)


def recognise(folder: Path) -> Found | None:
    name = named_file(folder, "model.txt", "model.lgb", "*.lgb", "model.bst", "*.bst") or _only_text(folder)
    if name is None or not beginning(folder / name).startswith(b"tree"):
        return None
    return Found("lightgbm", name, REQUIREMENTS)


def _only_text(folder: Path) -> str | None:
    """A text of any name, such as an example's `lgb.txt`: how it begins says what it is."""
    found = [
        path.name for path in folder.glob("*.txt") if path.is_file() and beginning(path).startswith(b"tree\nversion=")
    ]
    return found[0] if len(found) == 1 else None
