"""Models of LightGBM. Output: predict, what its objective gives for each row."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked
from headrace.runners.harness.adapters.blame import blaming_the_request
from headrace.runners.harness.adapters.table import Features, matrix
from headrace.runners.harness.tensors import Spec

MOST_ROWS = 1_024
INFOS = "feature_infos="  # a line of the model's text: [least:most] of numbers, 0:1:2 of categories, none


class LightGbm(Adapter):
    platform, strict, rows = "lightgbm", False, MOST_ROWS

    def __init__(self, path: Path) -> None:
        library: Any = importlib.import_module("lightgbm")
        self._booster, self._error = library.Booster(model_file=str(path)), library.basic.LightGBMError
        classes, width = self._booster.num_model_per_iteration(), self._booster.num_feature()
        names = tuple(self._booster.feature_name())
        given = names if any(name != f"Column_{number}" for number, name in enumerate(names)) else ()
        self._features = Features(width, given, _categories(self._booster, names), math.nan)
        self.inputs = (Spec("input-0", "FP64", (-1, width)),)
        self.outputs = (Spec("predict", "FP64", (-1,) if classes == 1 else (-1, classes)),)

    def run(self, arrays: dict[str, Any], _asked: Asked) -> dict[str, Any]:
        known = self._features.names
        named = {name if name in known else name.replace(" ", "_"): one for name, one in arrays.items()}
        table = matrix(named, self._features)  # LightGBM itself would take columns in any order, as if they were in its
        with blaming_the_request(self._error, ValueError, TypeError):
            return {"predict": self._booster.predict(table)}


def _categories(booster: Any, names: tuple[str, ...]) -> Mapping[str, Mapping[Any, int]]:
    """Of the columns that pandas had as categories, where it is plain which those were."""
    values = getattr(booster, "pandas_categorical", None)
    if not values:
        return {}
    text = next((line for line in booster.model_to_string(num_iteration=1).splitlines() if line.startswith(INFOS)), "")
    infos = text.removeprefix(INFOS).split()
    counted = [name for name, info in zip(names, infos, strict=False) if info != "none" and not info.startswith("[")]
    if len(counted) != len(values):
        return {}
    return {
        name: {one: number for number, one in enumerate(known)} for name, known in zip(counted, values, strict=True)
    }


def load(folder: Path, path: str, _declared: dict[str, Any], _outside: int) -> Adapter:
    return LightGbm(folder / path)
