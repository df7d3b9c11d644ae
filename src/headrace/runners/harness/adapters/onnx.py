"""ONNX files, by onnxruntime: names, datatypes and shapes are in the file."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked
from headrace.runners.harness.adapters.blame import blaming_the_request
from headrace.runners.harness.arrays import np
from headrace.runners.harness.tensors import Spec

TYPES = {
    "tensor(bool)": "BOOL", "tensor(string)": "BYTES", "tensor(float)": "FP32", "tensor(double)": "FP64",
    "tensor(float16)": "FP16", "tensor(int8)": "INT8", "tensor(int16)": "INT16", "tensor(int32)": "INT32",
    "tensor(int64)": "INT64", "tensor(uint8)": "UINT8", "tensor(uint16)": "UINT16", "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
}  # fmt: skip
MAPS = "seq(map("  # what ZipMap gives
BATCH_NAMES = {"n", "b", "bs"}
MOST_ROWS = 64


class Onnx(Adapter):
    platform = "onnxruntime_onnx"

    def __init__(self, path: Path, max_batch_size: int | None) -> None:
        runtime: Any = importlib.import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        states = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
        # a graph is arithmetic alone: where a part of it fails, its inputs do not go together
        self._refusals = (states.InvalidArgument, states.Fail, states.RuntimeException, ValueError)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self.inputs = tuple(spec for one in inputs if (spec := _spec(one)) is not None)
        # the runtime tells a scalar and a tensor of any number of dimensions alike: it says itself what does not fit
        self.strict = all(spec.shape for spec in self.inputs)
        odd = [one for one in inputs if _spec(one) is None]
        odd += [one for one in outputs if _spec(one) is None and not one.type.startswith(MAPS)]
        if odd:
            said = ", ".join(f"{one.name!r} is {one.type}" for one in odd)
            raise TypeError(f"{path.name} has inputs or outputs that no tensor of the protocol can be: {said}")
        self._maps = {one.name for one in outputs if _spec(one) is None}
        self.outputs = tuple(_spec(one) or Spec(one.name, "FP32", (-1, -1)) for one in outputs)
        self._texts = {spec.name for spec in self.inputs if spec.datatype == "BYTES"}
        batched = all(_is_batch(one) for one in (*inputs, *outputs) if one.name not in self._maps)
        self.max_batch_size = (MOST_ROWS if batched else 0) if max_batch_size is None else max_batch_size

    def run(self, arrays: dict[str, Any], asked: Asked) -> dict[str, Any]:
        for name in self._texts:
            arrays[name] = as_text(arrays[name])
        names = list(asked.outputs) if asked.outputs is not None else [spec.name for spec in self.outputs]
        with blaming_the_request(*self._refusals):
            given = dict(zip(names, self._session.run(names, arrays), strict=True))
        for name in self._maps.intersection(given):
            given[name] = _flat_map(given[name])
        return given


def as_text(array: Any) -> Any:
    """The runtime's strings are those of Python."""
    flat = np.array([one.decode() for one in array.ravel().tolist()], object)
    return flat.reshape(array.shape)


def _spec(one: Any) -> Spec | None:
    datatype = TYPES.get(one.type)
    if datatype is None:
        return None
    return Spec(one.name, datatype, tuple(size if isinstance(size, int) else -1 for size in one.shape or ()))


def _is_batch(one: Any) -> bool:
    """Rows must be known to be independent: a first dimension of any size may be something else."""
    first = one.shape[0] if one.shape else None
    return isinstance(first, str) and ("batch" in first.lower() or first.lower() in BATCH_NAMES)


def _flat_map(rows: Any) -> Any:
    """What the operator ZipMap gives, a mapping of class to score for each row, as the scores alone."""
    return np.array([list(row.values()) for row in rows], "f4")


def load(folder: Path, path: str, declared: dict[str, Any], _outside: int) -> Adapter:
    return Onnx(folder / path, declared.get("max_batch_size"))
