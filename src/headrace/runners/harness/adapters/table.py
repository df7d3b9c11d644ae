"""Inputs as the one table of rows that models of tables take."""

from __future__ import annotations

import importlib
from typing import Any

from headrace.runners.harness.tensors import Refused


def one_table(arrays: dict[str, Any]) -> Any:
    """One input is the table; several are its columns, by name. Raises Refused."""
    if len(arrays) == 1:
        [array] = arrays.values()
        if array.ndim == 0:
            raise Refused("the input should have rows: its shape is []")
        return texts_in(array)
    return columns(arrays)


def columns(arrays: dict[str, Any]) -> Any:
    """A table of pandas with a column for each input."""
    pandas: Any = importlib.import_module("pandas")
    for name, array in arrays.items():
        if array.ndim == 0 or array.size != array.shape[0]:
            raise Refused(f"input '{name}' should be one column, and its shape is {list(array.shape)}")
    return pandas.DataFrame({name: texts_in(array).reshape(-1) for name, array in arrays.items()})


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
