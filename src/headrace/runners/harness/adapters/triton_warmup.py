"""Requests that a config.pbtxt has a model answer before others may ask it (`model_warmup`)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked
from headrace.runners.harness.adapters.pbtxt import as_list
from headrace.runners.harness.adapters.triton_config import datatype
from headrace.runners.harness.arrays import DTYPES, array_of, np
from headrace.runners.harness.tensors import Input

FOLDER = "warmup"  # where the files of `input_data_file` lie
SEED = 7  # random data are the same each time: a model that fails at them always does


def warm_up(model: Adapter, said: Any, folder: Path) -> None:
    """Whatever the model raises, or the files lack, is why it cannot be loaded."""
    for one in as_list(said):
        batch = max(1, int(one.get("batch_size") or 1)) if model.max_batch_size else 0
        arrays = {
            str(given["key"]): _array(str(given["key"]), given.get("value") or {}, batch, folder)
            for given in as_list(one.get("inputs"))
        }
        for _ in range(max(1, int(one.get("count") or 1))):
            try:
                model.run(arrays, Asked(None, {}, [], model="warmup"))
            except Exception as failure:
                raise RuntimeError(f"its warm-up {one.get('name', '')!r} failed: {failure}") from failure


def _array(name: str, said: dict[str, Any], batch: int, folder: Path) -> Any:
    kind = datatype(str(said.get("data_type")))
    dims = [int(size) for size in as_list(said.get("dims"))]
    shape = (batch, *dims) if batch else tuple(dims)
    if "input_data_file" in said:
        # a file holds what one request of this batch is sent as
        data = memoryview(bytearray((folder / FOLDER / str(said["input_data_file"])).read_bytes()))
        return array_of([Input(name, kind, shape, data, None)], shape, "")
    if kind == "BYTES":
        return np.full(shape, b"", np.object_)
    if said.get("random_data") is not True:
        return np.zeros(shape, DTYPES[kind])
    values = np.random.default_rng(SEED).random(math.prod(shape)).reshape(shape)
    if DTYPES[kind].kind in "iu":
        values = values * np.iinfo(DTYPES[kind]).max
    return (values >= 0.5 if kind == "BOOL" else values).astype(DTYPES[kind])  # noqa: PLR2004 - half of them
