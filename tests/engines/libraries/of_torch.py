"""Programs of torch.export say what the modules said that they were made of, and TorchScript too."""

import sys
from pathlib import Path

import torch
from torch.export import Dim, export, save

from asking import Asking, tensor

HERE = Path(sys.argv[1])
BATCH = Dim("batch", min=1, max=64)


def saved(module, arguments, **more):
    save(export(module, arguments, **more), HERE / "model.pt2")
    return Asking("torch_export", HERE, "model.pt2")


class Named(torch.nn.Module):
    def forward(self, x, *, mask):
        return {"masked": x * mask, "total": x.sum(1)}


ask = saved(
    Named(),
    (torch.ones(2, 2),),
    kwargs={"mask": torch.zeros(2, 2)},
    dynamic_shapes={"x": {0: BATCH}, "mask": {0: BATCH}},
)
assert [("x", "FP32", [-1, 2]), ("mask", "FP32", [-1, 2])] == ask.takes()
x, mask = tensor("x", "FP32", [[1.0, 2.0]]), tensor("mask", "FP32", [[3.0, 4.0]])
assert {"masked": [3, 8], "total": [3]} == ask(x, mask) == ask(mask, x)
whose, said = ask(tensor("x", "FP32", [[0.0, 0.0]] * 65), tensor("mask", "FP32", [[0.0, 0.0]] * 65))
assert ("request", True) == (whose, "x.size()[0] <= 64" in said), said


class Nested(torch.nn.Module):
    def forward(self, pair, more, scale=1, nothing=None):
        return (pair[0] - pair[1] * more["k"] * scale, [nothing, pair[0].shape[0], pair[1]])


ask = saved(Nested(), ((torch.ones(2), torch.zeros(2)), {"k": torch.ones(2)}), kwargs={"scale": 3})
assert ["pair_0", "pair_1", "more_k"] == [name for name, _, _ in ask.takes()]
given = ask(tensor("pair_0", "FP32", [9, 9]), tensor("pair_1", "FP32", [1, 2]), tensor("more_k", "FP32", [1, 1]))
assert {"output_0": [6, 3], "output_3": [1, 2]} == given

(HERE / "model.pt2").write_bytes(b"PK no program")
try:
    Asking("torch_export", HERE, "model.pt2")
except TypeError as error:
    assert str(error).startswith("model.pt2 is no program of torch.export: ")
else:
    raise AssertionError


class Minus(torch.nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor):
        return a - b, a.sum()


CONFIG = """
input [ {{ name: "{}" data_type: TYPE_FP32 dims: [ -1 ] }}, {{ name: "{}" data_type: TYPE_FP32 dims: [ -1 ] }} ]
output [ {{ name: "{}" data_type: TYPE_FP32 dims: [ -1 ] }} ]
"""
(HERE / "1").mkdir()
torch.jit.script(Minus()).save(HERE / "1" / "model.pt")
for first, second, output, wanted in (
    ("b", "a", "difference__0", [8, 6]),
    ("INPUT__1", "INPUT__0", "OUTPUT__0", [8, 6]),
    ("INPUT__1", "INPUT__0", "OUTPUT__1", [20]),
    ("left", "right", "output", [-8, -6]),
):
    (HERE / "config.pbtxt").write_text(CONFIG.format(first, second, output))
    ask = Asking("triton", HERE, "1/model.pt")
    assert {output: wanted} == ask(tensor(second, "FP32", [10, 10]), tensor(first, "FP32", [2, 4]))
assert "request" == ask(tensor("left", "FP32", [1, 2, 3]), tensor("right", "FP32", [1, 2]))[0]
