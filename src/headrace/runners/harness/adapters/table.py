"""Inputs as the one table of rows that models of tables take."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from headrace.runners.harness.arrays import np
from headrace.runners.harness.tensors import Refused

ROWS_AND_COLUMNS = 2  # dimensions


class Features(NamedTuple):
    """What a model of a table of numbers knows of its columns. `names`: empty where it knows none.

    `categories`: of columns whose values are counted, the number of each value. `unknown`: the number of any other;
    None refuses it.
    """

    width: int
    names: tuple[str, ...] = ()
    categories: Mapping[str, Mapping[Any, int]] = MappingProxyType({})
    unknown: float | None = None


def one_table(arrays: dict[str, Any], names: Sequence[str] = ()) -> Any:
    """One input is the table, unless it has a column's name; several are its columns. Raises Refused.

    `names`: the model's columns, in its order, where it knows them.
    """
    if len(arrays) == 1:
        [(name, array)] = arrays.items()
        if array.ndim == 0:
            raise Refused("the input should have rows: its shape is []")
        if not (name in names and array.size == array.shape[0]):
            return texts_in(_some(name, array))
    return columns(arrays, names)


def columns(arrays: dict[str, Any], names: Sequence[str] = ()) -> Any:
    """A table of pandas with a column for each input, in the order of `names`. Raises Refused."""
    pandas: Any = importlib.import_module("pandas")
    return pandas.DataFrame({name: texts_in(one) for name, one in each_column(arrays, names).items()})


def each_column(arrays: dict[str, Any], names: Sequence[str] = ()) -> dict[str, Any]:
    """One flat array for each column. Raises Refused.

    Those that `names` does not have come behind: whether they are too many is the library's to say.
    """
    rows = -1
    for name, array in arrays.items():
        if array.ndim == 0 or array.size != array.shape[0]:
            raise Refused(f"input '{name}' should be one column, and its shape is {list(array.shape)}")
        if rows not in (-1, array.size):
            raise Refused(f"input '{name}' has {array.size} rows, and the inputs before it have {rows}")
        rows = _some(name, array).size
    if missing := [name for name in names if name not in arrays]:
        raise Refused(f"the table lacks the column(s) {missing}: each column is an input of its name")
    order = [*names, *(name for name in arrays if name not in names)]
    return {name: arrays[name].reshape(-1) for name in order}


def matrix(arrays: dict[str, Any], features: Features) -> Any:
    """Rows of numbers, for a library that is given no names. Raises Refused."""
    if len(arrays) == 1:
        [(name, array)] = arrays.items()
        if not (name in features.names and array.ndim and array.size == array.shape[0]):
            return _rows(name, array, features.width)
    found = each_column(arrays, features.names)
    if len(found) != features.width:
        wanted = f": {list(features.names)}" if features.names else ""
        raise Refused(f"the inputs are {len(found)} columns, and the model has {features.width}{wanted}")
    return np.column_stack([_numbers(name, one, features) for name, one in found.items()])


def _rows(name: str, array: Any, width: int) -> Any:
    if array.dtype.kind == "O":
        raise Refused(f"input '{name}' should hold numbers; texts are taken as a column each, by the columns' names")
    if array.ndim != ROWS_AND_COLUMNS or array.shape[1] != width:
        raise Refused(f"input '{name}' should be rows of {width} features, and its shape is {list(array.shape)}")
    return _some(name, array)


def _some(name: str, array: Any) -> Any:
    """The libraries say nothing of a table without rows, or answer it with another shape."""
    if not array.shape[0]:
        raise Refused(f"input '{name}' has no rows")
    return array


def _numbers(name: str, column: Any, features: Features) -> Any:
    known = features.categories.get(name)
    if known is None:
        if column.dtype.kind == "O":
            raise Refused(f"input '{name}' should hold numbers: the model knows no texts in this column")
        return column
    values = texts_in(column).tolist()
    unknown = next((one for one in values if one not in known), None)
    if unknown is not None and features.unknown is None:
        raise Refused(f"input '{name}' holds {unknown!r}, and the model knows {', '.join(map(repr, known))}")
    return np.array([known.get(one, features.unknown) for one in values], "f8")


def texts_in(array: Any) -> Any:
    """BYTES that are text, as text."""
    if array.dtype.kind != "O":
        return array
    try:
        flat = array.reshape(-1).copy()
        flat[:] = [one.decode() if isinstance(one, bytes) else one for one in flat.tolist()]
        return flat.reshape(array.shape)
    except UnicodeDecodeError:
        raise Refused("an element of the input is not UTF-8 text") from None
