"""Models of XGBoost. Outputs: predict, what its objective gives; for classifiers also predict_proba.

A file that was saved by XGBoost's classes for scikit-learn says so: then it is asked as these classes do, whose
classifiers predict classes, and which stop at the best iteration.
"""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked
from headrace.runners.harness.adapters.blame import blaming_the_request, in_words
from headrace.runners.harness.adapters.table import Features, matrix
from headrace.runners.harness.arrays import np
from headrace.runners.harness.tensors import Spec

MOST_ROWS = 1_024
HALF = 0.5
BINARY, SOFTPROB, SOFTMAX = "binary:logistic", "multi:softprob", "multi:softmax"


class XgBoost(Adapter):
    platform, strict, rows = "xgboost", False, MOST_ROWS

    def __init__(self, path: Path) -> None:
        self._library: Any = importlib.import_module("xgboost")
        try:
            self._booster = self._library.Booster(model_file=str(path))
        except self._library.core.XGBoostError as error:
            raise TypeError(f"{path.name} is no model that this version of XGBoost reads: {in_words(error)}") from error
        said = json.loads(self._booster.save_config())["learner"]
        self._objective = said["objective"]["name"]
        ours = json.loads(self._booster.attr("scikit_learn") or "{}")
        self._classes = ours.get("_estimator_type") == "classifier"
        best = self._booster.attr("best_iteration") if ours else None
        linear = said["gradient_booster"]["name"] == "gblinear"
        self._trees = (0, 0) if best is None or linear else (0, int(best) + 1)
        width, names = self._booster.num_features(), tuple(self._booster.feature_names or ())
        self._features = Features(width, names, _categories(self._booster))
        self.inputs = (Spec("input-0", "FP32", (-1, width)),)
        self.outputs = tuple(self._outputs(int(said["learner_model_param"].get("num_target", "1"))))

    def _outputs(self, targets: int) -> list[Spec]:
        proba = self._objective in (BINARY, SOFTPROB)
        wide = targets > 1 or (self._objective == SOFTPROB and not self._classes)
        predict = Spec("predict", "INT64" if self._classes else "FP32", (-1, -1) if wide else (-1,))
        return [predict, Spec("predict_proba", "FP32", (-1, -1))] if proba else [predict]

    def run(self, arrays: dict[str, Any], asked: Asked) -> dict[str, Any]:
        table = matrix(arrays, self._features)
        with blaming_the_request(self._library.core.XGBoostError, ValueError, TypeError):
            rows = self._library.DMatrix(table, feature_names=self._booster.feature_names)
            scores = self._booster.predict(rows, iteration_range=self._trees)
        wanted = asked.outputs or ("predict",)
        return {name: self._predicted(scores) if name == "predict" else self._proba(scores) for name in wanted}

    def _predicted(self, scores: Any) -> Any:
        if not self._classes:
            return scores
        if self._objective == SOFTMAX:
            return scores.astype("i8")
        return scores.argmax(1) if self._objective == SOFTPROB else (scores > HALF).astype("i8")

    def _proba(self, scores: Any) -> Any:
        return np.stack([1 - scores, scores], axis=1) if self._objective == BINARY and scores.ndim == 1 else scores


def _categories(booster: Any) -> Mapping[str, Mapping[Any, int]]:
    """Of columns that were categories when it was trained; older models do not know theirs."""
    if "c" not in (booster.feature_types or ()):
        return {}
    trees = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]
    told = (trees.get("model") or trees.get("gbtree", {}).get("model", {})).get("cats", {}).get("enc", ())
    found = {name: _values(one) for name, one in zip(booster.feature_names or (), told, strict=False)}
    return {name: {one: number for number, one in enumerate(values)} for name, values in found.items() if values}


def _values(told: Mapping[str, Any]) -> list[Any]:
    """Numbers, or texts one behind the other with the places where each begins."""
    values = told.get("values", [])
    if "offsets" not in told:
        return list(values)
    text, starts = bytes(one & 0xFF for one in values), told["offsets"]
    return [text[start:end].decode(errors="replace") for start, end in itertools.pairwise(starts)]


def load(folder: Path, path: str, _declared: dict[str, Any], _outside: int) -> Adapter:
    return XgBoost(folder / path)
