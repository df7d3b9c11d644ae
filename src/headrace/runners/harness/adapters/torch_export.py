"""Programs exported by PyTorch (.pt2): inputs by the names of their arguments, outputs output_0, output_1 and on.

Arguments and results may be nested: their tensors are told one by one. The values of a mapping that is returned have
the names of its keys.
"""

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
    "bool": "BOOL", "uint8": "UINT8", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64",
    "float16": "FP16", "bfloat16": "BF16", "float32": "FP32", "float64": "FP64",
}  # fmt: skip
MADE_OTHERWISE = (
    "{} is no program of torch.export: {}. Write it by torch.export.save(torch.export.export(model, inputs), "
    '"model.pt2"), with a version of torch that is not newer than that of the environment'
)


class TorchProgram(Adapter):
    platform = "pytorch_export"

    def __init__(self, path: Path, max_batch_size: int) -> None:
        self._torch = start_torch()
        self._trees: Any = importlib.import_module("torch.utils._pytree")
        try:
            program = self._torch.export.load(str(path))
        except Exception as error:
            raise TypeError(MADE_OTHERWISE.format(path.name, error)) from error
        self._run, self._spec = program.module(), program.call_spec.in_spec
        nodes = {node.name: node for node in program.graph.nodes}
        signature = program.graph_signature
        # in the order in which their tree is flat; those that are no tensors are what they were at the export
        self._arguments = [
            _spec(nodes, one.arg, one.arg.name) if _is_tensor(one) else _constant(one)
            for one in signature.input_specs
            if one.kind.name == "USER_INPUT"
        ]
        self.inputs = tuple(one for one in self._arguments if isinstance(one, Spec))
        given = [one for one in signature.output_specs if one.kind.name == "USER_OUTPUT"]
        names = _names(program.call_spec.out_spec, len(given))
        self._returned = [
            _spec(nodes, one.arg, name) if _is_tensor(one) else None for one, name in zip(given, names, strict=True)
        ]
        self.outputs = tuple(one for one in self._returned if one is not None)
        self.max_batch_size = max_batch_size

    def run(self, arrays: dict[str, Any], _asked: Asked) -> dict[str, Any]:
        flat = [
            to_torch(self._torch, arrays[one.name], one.datatype) if isinstance(one, Spec) else one
            for one in self._arguments
        ]
        arguments, named = self._trees.tree_unflatten(flat, self._spec)
        # a program has guards for the sizes that it was exported for
        with self._torch.inference_mode(), blaming_the_request(RuntimeError, ValueError, AssertionError, IndexError):
            returned = self._run(*arguments, **named)
        leaves = self._trees.tree_leaves(returned)
        return {
            spec.name: from_torch(self._torch, leaf)
            for spec, leaf in zip(self._returned, leaves, strict=True)
            if spec is not None
        }


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


def _is_tensor(one: Any) -> bool:
    return type(one.arg).__name__ == "TensorArgument"


def _constant(one: Any) -> Any:
    """Raises TypeError."""
    if type(one.arg).__name__ != "ConstantArgument":
        raise TypeError(f"the argument {one.arg.name!r} is a number that may change: export it as a tensor")
    return one.arg.value


def _names(tree: Any, count: int) -> list[str]:
    if tree.type is dict and tree.num_children == count:
        return list(map(str, tree.context))
    return [f"output_{number}" for number in range(count)]


def _spec(nodes: dict[str, Any], argument: Any, name: str) -> Spec:
    value = nodes[argument.name].meta["val"]
    datatype = TYPES[str(value.dtype).removeprefix("torch.")]
    return Spec(name, datatype, tuple(size if isinstance(size, int) else -1 for size in value.shape))


def load(folder: Path, path: str, declared: dict[str, Any], _outside: int) -> Adapter:
    return TorchProgram(folder / path, declared.get("max_batch_size") or 0)
