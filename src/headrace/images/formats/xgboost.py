"""A model of XGBoost: model.ubj, model.json, or its older binary form."""

from pathlib import Path

from headrace.images.formats.format import NUMPY, ORJSON, Found, beginning, named_file

REQUIREMENTS = ("xgboost==3.2.0", NUMPY, ORJSON)


def recognise(folder: Path) -> Found | None:
    name = named_file(folder, "model.ubj", "*.ubj")
    if name is None:
        name = named_file(folder, "model.json", "model.xgb", "*.xgb", "model.bst", "*.bst")
        if name is not None and not _is_one(beginning(folder / name)):
            return None
    return None if name is None else Found("xgboost", name, REQUIREMENTS)


def _is_one(begin: bytes) -> bool:
    return begin.startswith((b"binf", b"{L")) or b'"learner"' in begin
