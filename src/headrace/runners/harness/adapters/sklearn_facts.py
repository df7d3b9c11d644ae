"""What a model of scikit-learn takes and gives. It is asked with one row when it is loaded, since no file says it."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from headrace.runners.harness.arrays import datatype_of, np
from headrace.runners.harness.tensors import Refused, Spec

METHODS = ("predict", "predict_proba", "transform", "decision_function")
MATRIX, NAMED, TEXTS = "matrix", "named", "texts"
OTHER_FLOAT = {"f4": "f8", "f8": "f4"}
NARROW = "Buffer dtype mismatch"  # what models say that were fitted with floats of another size
SEVERAL = 2  # dimensions


class Facts:
    """`names`: of its columns, where it knows them."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._methods = {name: method for name in METHODS if callable(method := getattr(model, name, None))}
        if not self._methods:
            raise TypeError(f"the file holds a {type(model).__name__}, which has none of {', '.join(METHODS)}")
        self.names = tuple(name for name in getattr(model, "feature_names_in_", ()) if isinstance(name, str))
        width = getattr(model, "n_features_in_", -1)
        self._width = width if isinstance(width, int) else -1
        self._takes, self._row = self._found_out()
        self.inputs = tuple(self._inputs())
        self.outputs = tuple(spec for name in self._methods for spec in self._outputs(name))

    def fitting(self, table: Any) -> Any:
        """The table in the form that the model takes. Raises Refused."""
        if hasattr(table, "columns"):
            return table
        if self._takes == TEXTS:
            if table.dtype.kind != "O" or table.size != table.shape[0]:
                raise Refused(f"the input should be one text a row (BYTES), and is {_about(table)}")
            return table.reshape(-1)
        if self._takes == NAMED:
            return self._with_names(table)
        return table

    def called(self, table: Any, wanted: Iterable[str]) -> dict[str, Any]:
        """Each method once, though it may give several outputs."""
        given: dict[str, Any] = {}
        found = {}
        for name in wanted:
            method, number = _method(name)
            if method not in given:
                given[method] = self._call(method, table)
            found[name] = given[method] if number is None else given[method][number]
        return found

    def _call(self, method: str, table: Any) -> Any:
        try:
            result = self._methods[method](table)
        except ValueError as error:
            other = OTHER_FLOAT.get(getattr(table, "dtype", np.dtype("?")).str[1:])
            if other is None or NARROW not in str(error):
                raise
            result = self._methods[method](table.astype(other))
        return result.toarray() if hasattr(result, "toarray") else result

    def _with_names(self, table: Any) -> Any:
        if table.ndim != SEVERAL or table.shape[1] != len(self.names):
            raise Refused(
                f"the input is {_about(table)}, and the model has the columns {list(self.names)}: give each as an "
                f"input of its name, or all as rows of {len(self.names)}"
            )
        pandas: Any = importlib.import_module("pandas")
        return pandas.DataFrame(table, columns=list(self.names))

    def _found_out(self) -> tuple[str, Any]:
        """What it takes, and one row of that; None where nothing of what is tried here is to its taste."""
        tries: list[tuple[str, Any]] = [(TEXTS, np.array(["0"], object))]
        if self._width >= 0:
            row = np.zeros((1, self._width))
            tries = [(MATRIX, row), *((NAMED, row) for _ in self.names[:1])]
        for self._takes, row in tries:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    self._call(next(iter(self._methods)), self.fitting(row))
                except Exception:  # noqa: BLE001, S112 - it is a guess, and code of the model's may say no in any way
                    continue
            return self._takes, row
        return (NAMED if self.names else MATRIX), None

    def _inputs(self) -> Iterator[Spec]:
        if self._takes == TEXTS:
            yield Spec("input-0", "BYTES", (-1,))
        elif self._takes == NAMED and self._row is None:
            known = dict(_datatypes(self._model))
            yield from (Spec(name, known.get(name, "FP64"), (-1, 1)) for name in self.names)
        else:
            yield Spec("input-0", "FP64", (-1, self._width))

    def _outputs(self, method: str) -> Iterator[Spec]:
        classes = getattr(self._model, "classes_", None)
        if method == "predict_proba" and isinstance(classes, list):  # a table for each of the model's targets
            yield from (Spec(f"{method}_{number}", "FP64", (-1, len(one))) for number, one in enumerate(classes))
            return
        if self._row is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    given = np.asarray(self._call(method, self.fitting(self._row)))
                    yield Spec(method, datatype_of(given), (-1, *given.shape[1:]))
                except Exception:  # noqa: BLE001, S110 - as above
                    pass
                else:
                    return
        told = classes if isinstance(classes, list) else [classes]
        kinds = {kind for one in told if (kind := getattr(getattr(one, "dtype", None), "kind", ""))}
        plain = {"i": "INT64", "u": "UINT64", "b": "BOOL", "f": "FP64"}.get(
            "".join(kinds), "BYTES" if kinds else "FP64"
        )
        wide = method != "predict" or isinstance(classes, list)
        yield Spec(method, plain if method == "predict" else "FP64", (-1, -1) if wide else (-1,))


def _method(output: str) -> tuple[str, int | None]:
    method, _, number = output.rpartition("_")
    return (method, int(number)) if number.isdecimal() else (output, None)


def _about(table: Any) -> str:
    return f"{'texts' if table.dtype.kind == 'O' else 'numbers'} of the shape {list(table.shape)}"


def _datatypes(model: Any) -> Iterator[tuple[str, str]]:
    """Of the columns that a part of the model encodes: texts by their words, values by their categories."""
    for part in _parts(model):
        for _, inner, chosen in getattr(part, "transformers_", ()):
            columns = [chosen] if isinstance(chosen, str) else list(chosen)
            for one in _parts(inner):
                if hasattr(one, "vocabulary_"):
                    yield from ((name, "BYTES") for name in columns)
                for name, values in zip(columns, getattr(one, "categories_", ()), strict=False):
                    yield name, {"i": "INT64", "b": "BOOL", "f": "FP64"}.get(np.asarray(values).dtype.kind, "BYTES")


def _parts(model: Any) -> Iterator[Any]:
    for _, inner in getattr(model, "steps", ((None, model),)):
        yield inner
