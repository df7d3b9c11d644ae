"""Models of scikit-learn: skops files, which are safe to read, and pickles, which are programs and run only here.

Several inputs of one column each become a table of pandas, one input an array. Which of predict, predict_proba,
transform and decision_function is called is said by the names of the outputs that are asked for; predict when none is.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked
from headrace.runners.harness.adapters.blame import blaming_the_request
from headrace.runners.harness.adapters.python_tensors import specs
from headrace.runners.harness.adapters.sklearn_facts import Facts
from headrace.runners.harness.adapters.table import one_table
from headrace.runners.harness.tensors import Spec

TRUSTED = "trusted_types.txt"  # beside a skops file: names of types, one a line, that its owner allows
MOST_ROWS = 1_024


class ScikitLearn(Adapter):
    platform, strict, rows = "sklearn", False, MOST_ROWS

    def __init__(self, model: Any, inputs: tuple[Spec, ...] = ()) -> None:
        self._facts = Facts(model)
        self.inputs, self.outputs = inputs or self._facts.inputs, self._facts.outputs

    def run(self, arrays: dict[str, Any], asked: Asked) -> dict[str, Any]:
        table = self._facts.fitting(one_table(arrays, self._facts.names))
        wanted = asked.outputs or (self.outputs[0].name,)
        with blaming_the_request(ValueError, TypeError):
            return self._facts.called(table, wanted)


def _read(path: Path) -> Any:
    if path.suffix == ".skops":
        skops: Any = importlib.import_module("skops.io")
        beside = path.parent / TRUSTED
        allowed = beside.read_text().split() if beside.is_file() else []
        unknown = sorted(set(skops.get_untrusted_types(file=path)) - set(allowed))
        if unknown:
            raise TypeError(
                f"{path.name} holds types that are not known to be safe; write them into {TRUSTED} beside it, one a "
                f"line, to allow them: {' '.join(unknown)}"
            )
        return skops.load(path, trusted=allowed)
    try:
        return _unpickled(path)
    except ImportError:
        raise  # its words say which package is missing
    except Exception as error:
        raise TypeError(
            f"{path.name} cannot be read; it may be cut off, no pickle at all, or written by other versions of its "
            f"packages: {type(error).__name__}: {error}"
        ) from error


def _unpickled(path: Path) -> Any:
    try:
        joblib: Any = importlib.import_module("joblib")
    except ImportError:
        pickle: Any = importlib.import_module("pickle")
        with path.open("rb") as file:
            return pickle.load(file)
    return joblib.load(path)


def load(folder: Path, path: str, declared: dict[str, Any], _outside: int) -> Adapter:
    model = ScikitLearn(_read(folder / path), specs("inputs", declared.get("inputs")))
    if declared.get("max_batch_size"):
        model.rows = declared["max_batch_size"]
    return model
