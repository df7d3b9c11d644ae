"""Models of MLflow, by pyfunc: its signature says whether it takes tensors or the columns of a table.

Parameters of a request that its signature names are given to `predict` as its params.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked
from headrace.runners.harness.adapters.blame import blaming_the_request
from headrace.runners.harness.adapters.table import ROWS_AND_COLUMNS, columns, one_table, texts_in
from headrace.runners.harness.arrays import datatype_of, np
from headrace.runners.harness.tensors import Refused, Spec

COLUMNS = {
    "boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64", "string": "BYTES",
    "binary": "BYTES", "datetime": "BYTES",
}  # fmt: skip
UNNAMED = "input-0"
ARITHMETIC = ("mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm", "mlflow.onnx")  # without code of the owner's
UNFIT, WHY = "Failed to enforce schema", "'. Error: "  # between them stand all the data


class MlFlow(Adapter):
    platform, strict = "mlflow", False

    def __init__(self, folder: Path) -> None:
        library: Any = importlib.import_module("mlflow.pyfunc")
        self._model = library.load_model(str(folder))
        self._takes = self._model.metadata.get_input_schema()
        gives = self._model.metadata.get_output_schema()
        self.inputs, self.outputs = _specs(self._takes, UNNAMED), _specs(gives, "output-1")
        self._of_tensors = self._takes is not None and self._takes.is_tensor_spec()
        self._named = [spec.name for spec in self.inputs if spec.name != UNNAMED]
        about = self._model.metadata
        loader = about.flavors.get("python_function", {}).get("loader_module")
        self._refusals = (ValueError, TypeError) if loader in ARITHMETIC else ()
        self._refused: Any = importlib.import_module("mlflow.exceptions").MlflowException
        params = about.get_params_schema() if hasattr(about, "get_params_schema") else None
        self._params = frozenset(one.name for one in params.params) if params else frozenset()

    def run(self, arrays: dict[str, Any], asked: Asked) -> dict[str, Any]:
        given = self._predicted(self._input(arrays), asked)
        if isinstance(given, dict):
            return {str(name): np.asarray(one) for name, one in given.items()}
        if hasattr(given, "columns"):
            return {str(name): given[name].to_numpy() for name in given.columns}
        return {self.outputs[0].name if self.outputs else "output-1": np.asarray(given)}

    def _predicted(self, table: Any, asked: Asked) -> Any:
        more = {name: value for name, value in asked.parameters.items() if name in self._params}
        try:
            with blaming_the_request(*self._refusals):
                return self._model.predict(table, params=more) if more else self._model.predict(table)
        except self._refused as error:
            said = str(error)
            if not said.startswith(UNFIT):
                raise
            raise Refused(f"the model cannot take these inputs: {said.rpartition(WHY)[2]}") from error

    def _input(self, arrays: dict[str, Any]) -> Any:
        if self._of_tensors:
            named = {name: self._fitting(name, texts_in(array)) for name, array in arrays.items()}
            return named if self._named else next(iter(named.values()))
        alone = len(arrays) == 1 and len(self._named) > 1 and not arrays.keys() & set(self._named)
        if self._takes is None or alone:
            return self._table(one_table(arrays))
        return columns({name: self._fitting(name, array) for name, array in arrays.items()})

    def _fitting(self, name: str, array: Any) -> Any:
        """MLflow wants the very type of its signature: a number that fits it is made one."""
        said = next((one.type for one in self._takes.inputs if one.name in (None, name)), array.dtype)
        wanted = said.to_numpy() if hasattr(said, "to_numpy") else said
        if not isinstance(wanted, (np.dtype, type)) or {np.dtype(wanted).kind, array.dtype.kind} - set("fiu"):
            return array
        if not np.can_cast(array.dtype, wanted, "same_kind"):
            return array
        fitting = array.astype(wanted)
        whole = array.dtype.kind != "f"  # a whole number that would become another one is left for MLflow to refuse
        return array if whole and (fitting != array).any() else fitting

    def _table(self, table: Any) -> Any:
        """One array for a model that knows its columns by name: they are in their order."""
        if self._takes is None or hasattr(table, "columns"):
            return table
        if table.ndim != ROWS_AND_COLUMNS or table.shape[1] != len(self._named):
            raise Refused(
                f"the input should be rows of {len(self._named)}, the columns {self._named}, and its shape is "
                f"{list(table.shape)}"
            )
        pandas: Any = importlib.import_module("pandas")
        return pandas.DataFrame(table, columns=self._named)


def _specs(schema: Any, unnamed: str) -> tuple[Spec, ...]:
    if schema is None:
        return ()
    found = []
    for one in schema.inputs:
        if hasattr(one, "shape"):
            datatype = datatype_of(np.empty(0, one.type))
            found.append(Spec(one.name or unnamed, datatype, tuple(int(size) for size in one.shape)))
        else:
            datatype = COLUMNS.get(getattr(one.type, "name", ""), "BYTES")
            found.append(Spec(one.name or unnamed, datatype, (-1, 1)))
    return tuple(found)


def load(folder: Path, path: str, _declared: dict[str, Any], _outside: int) -> Adapter:
    return MlFlow(folder / path)
