"""Models of LightGBM. Output: predict, what its objective gives for each row."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked
from headrace.runners.harness.adapters.table import one_table
from headrace.runners.harness.tensors import Spec

MOST_ROWS = 1_024


class LightGbm(Adapter):
    platform, strict, rows = "lightgbm", False, MOST_ROWS

    def __init__(self, path: Path) -> None:
        library: Any = importlib.import_module("lightgbm")
        self._booster = library.Booster(model_file=str(path))
        classes = self._booster.num_model_per_iteration()
        self.inputs = (Spec("input-0", "FP64", (-1, self._booster.num_feature())),)
        self.outputs = (Spec("predict", "FP64", (-1,) if classes == 1 else (-1, classes)),)

    def run(self, arrays: dict[str, Any], _asked: Asked) -> dict[str, Any]:
        return {"predict": self._booster.predict(one_table(arrays))}


def load(folder: Path, path: str, _declared: dict[str, Any], _outside: int) -> Adapter:
    return LightGbm(folder / path)
