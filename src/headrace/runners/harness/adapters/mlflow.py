"""Models of MLflow, by pyfunc: its signature says whether it takes tensors or the columns of a table."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked
from headrace.runners.harness.adapters.table import columns, one_table, texts_in
from headrace.runners.harness.arrays import datatype_of, np
from headrace.runners.harness.tensors import Spec

COLUMNS = {
    "boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64", "string": "BYTES",
    "binary": "BYTES", "datetime": "BYTES",
}  # fmt: skip
UNNAMED = "input-0"


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

    def run(self, arrays: dict[str, Any], _asked: Asked) -> dict[str, Any]:
        given = self._model.predict(self._input(arrays))
        if isinstance(given, dict):
            return {str(name): np.asarray(one) for name, one in given.items()}
        if hasattr(given, "columns"):
            return {str(name): given[name].to_numpy() for name in given.columns}
        return {self.outputs[0].name if self.outputs else "output-1": np.asarray(given)}

    def _input(self, arrays: dict[str, Any]) -> Any:
        if self._of_tensors:
            named = {name: self._fitting(name, texts_in(array)) for name, array in arrays.items()}
            return named if self._named else next(iter(named.values()))
        if self._takes is None or (len(arrays) == 1 and len(self._named) > 1):
            return self._table(one_table(arrays))
        return columns(arrays)

    def _fitting(self, name: str, array: Any) -> Any:
        """MLflow wants the very type of its signature: a number that fits it is made one."""
        wanted = next((one.type for one in self._takes.inputs if one.name in (None, name)), array.dtype)
        return array.astype(wanted) if np.can_cast(array.dtype, wanted, "same_kind") else array

    def _table(self, table: Any) -> Any:
        """One array for a model that knows its columns by name: they are in their order."""
        if self._takes is None or hasattr(table, "columns"):
            return table
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
