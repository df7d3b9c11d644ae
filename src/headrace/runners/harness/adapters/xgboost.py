"""Models of XGBoost. Outputs: predict, what its objective gives; for classifiers also predict_proba."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked
from headrace.runners.harness.adapters.table import one_table
from headrace.runners.harness.arrays import np
from headrace.runners.harness.tensors import Refused, Spec

MOST_ROWS = 1_024


class XgBoost(Adapter):
    platform, strict, rows = "xgboost", False, MOST_ROWS

    def __init__(self, path: Path) -> None:
        self._library: Any = importlib.import_module("xgboost")
        self._booster = self._library.Booster(model_file=str(path))
        objective = json.loads(self._booster.save_config())["learner"]["objective"]["name"]
        self._binary, self._several = objective == "binary:logistic", objective == "multi:softprob"
        self.inputs = (Spec("input-0", "FP32", (-1, self._booster.num_features())),)
        self.outputs = (Spec("predict", "FP32", (-1, -1) if self._several else (-1,)),)
        if self._binary or self._several:
            self.outputs += (Spec("predict_proba", "FP32", (-1, -1)),)

    def run(self, arrays: dict[str, Any], asked: Asked) -> dict[str, Any]:
        table = one_table(arrays)
        if hasattr(table, "ndim") and table.ndim == 1:
            raise Refused("the input should be rows of features: its shape has one dimension")
        names = self._booster.feature_names if not hasattr(table, "columns") else None
        scores = self._booster.predict(self._library.DMatrix(table, feature_names=names))
        wanted = asked.outputs or ("predict",)
        return {name: self._classes(scores) if name == "predict_proba" else scores for name in wanted}

    def _classes(self, scores: Any) -> Any:
        return np.stack([1 - scores, scores], axis=1) if self._binary else scores


def load(folder: Path, path: str, _declared: dict[str, Any], _outside: int) -> Adapter:
    return XgBoost(folder / path)
