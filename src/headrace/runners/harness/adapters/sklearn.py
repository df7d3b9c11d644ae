"""Models of scikit-learn: skops files, which are safe to read, and pickles, which are programs and run only here.

Several inputs of one column each become a table of pandas, one input an array. Which of predict, predict_proba,
transform and decision_function is called is said by the names of the outputs that are asked for; predict when none is.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked
from headrace.runners.harness.adapters.table import one_table
from headrace.runners.harness.tensors import Spec

METHODS = ("predict", "predict_proba", "transform", "decision_function")
TRUSTED = "trusted_types.txt"  # beside a skops file: names of types, one a line, that its owner allows
MOST_ROWS = 1_024


class ScikitLearn(Adapter):
    platform, strict, rows = "sklearn", False, MOST_ROWS

    def __init__(self, model: Any) -> None:
        self._methods = {name: method for name in METHODS if callable(method := getattr(model, name, None))}
        if not self._methods:
            raise TypeError(f"the file holds a {type(model).__name__}, which has none of {', '.join(METHODS)}")
        features = getattr(model, "n_features_in_", -1)
        self.inputs = (Spec("input-0", "FP64", (-1, features if isinstance(features, int) else -1)),)
        wide = {"predict": (-1,)}
        self.outputs = tuple(Spec(name, "", wide.get(name, (-1, -1))) for name in self._methods)
        self.outputs = tuple(spec._replace(datatype=_datatype(model, spec.name)) for spec in self.outputs)
        self._default = next(iter(self._methods))

    def run(self, arrays: dict[str, Any], asked: Asked) -> dict[str, Any]:
        table = one_table(arrays)
        return {name: self._methods[name](table) for name in asked.outputs or (self._default,)}


def _datatype(model: Any, method: str) -> str:
    classes: Any = getattr(model, "classes_", None)
    if method != "predict" or not hasattr(classes, "dtype"):
        return "FP64"
    return {"i": "INT64", "u": "UINT64", "b": "BOOL", "f": "FP64"}.get(classes.dtype.kind, "BYTES")


def _read(path: Path) -> Any:
    if path.suffix == ".skops":
        skops: Any = importlib.import_module("skops.io")
        beside = path.parent / TRUSTED
        allowed = beside.read_text().split() if beside.is_file() else []
        unknown = sorted(set(skops.get_untrusted_types(file=path)) - set(allowed))
        if unknown:
            raise TypeError(
                f"{path.name} holds types that are not known to be safe; allow them in {TRUSTED}: {unknown}"
            )
        return skops.load(path, trusted=allowed)
    try:
        joblib: Any = importlib.import_module("joblib")
    except ImportError:
        pickle: Any = importlib.import_module("pickle")
        with path.open("rb") as file:
            return pickle.load(file)
    return joblib.load(path)


def load(folder: Path, path: str, declared: dict[str, Any], _outside: int) -> Adapter:
    model = ScikitLearn(_read(folder / path))
    if declared.get("max_batch_size"):
        model.rows = declared["max_batch_size"]
    return model
