"""Programs exported by PyTorch (.pt2): inputs by the names of their arguments, outputs output_0, output_1 and on."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from headrace.runners.harness.adapters.adapter import Adapter, Asked
from headrace.runners.harness.arrays import np
from headrace.runners.harness.tensors import Spec

TYPES = {
    "bool": "BOOL", "uint8": "UINT8", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "float16": "FP16", "bfloat16": "BF16", "float32": "FP32", "float64": "FP64",
}  # fmt: skip


class TorchProgram(Adapter):
    platform = "pytorch_export"

    def __init__(self, path: Path, max_batch_size: int) -> None:
        self._torch = start_torch()
        program = self._torch.export.load(str(path))
        self._run = program.module()
        nodes = {node.name: node for node in program.graph.nodes}
        signature = program.graph_signature
        self.inputs = tuple(_spec(nodes[name], name) for name in signature.user_inputs)
        self.outputs = tuple(
            _spec(nodes[name], f"output_{number}")
            for number, name in enumerate(signature.user_outputs)
            if name in nodes
        )
        self.max_batch_size = max_batch_size

    def run(self, arrays: dict[str, Any], _asked: Asked) -> dict[str, Any]:
        tensors = [to_torch(self._torch, arrays[spec.name], spec.datatype) for spec in self.inputs]
        with self._torch.inference_mode():
            given = self._run(*tensors)
        listed = given if isinstance(given, (list, tuple)) else [given]
        return {spec.name: from_torch(self._torch, one) for spec, one in zip(self.outputs, listed, strict=True)}


def start_torch() -> Any:
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    return torch


def to_torch(torch: Any, array: Any, datatype: str) -> Any:
    """The array's own memory where it may be written to."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.to(torch.bfloat16) if datatype == "BF16" else tensor


def from_torch(torch: Any, tensor: Any) -> Any:
    tensor = tensor.detach().cpu()
    return (tensor.to(torch.float32) if tensor.dtype is torch.bfloat16 else tensor).numpy()


def _spec(node: Any, name: str) -> Spec:
    value = node.meta["val"]
    datatype = TYPES[str(value.dtype).removeprefix("torch.")]
    return Spec(name, datatype, tuple(size if isinstance(size, int) else -1 for size in value.shape))


def load(folder: Path, path: str, declared: dict[str, Any], _outside: int) -> Adapter:
    return TorchProgram(folder / path, declared.get("max_batch_size") or 0)
