"""The model repository for the real Triton: what tests/contracts/models has, for its Python backend. TARGET folder."""

import sys
from pathlib import Path

DATATYPES = (
    *("BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64"),
    *("FP16", "FP32", "FP64", "BYTES"),
)

SUMS = """
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            first, second = (pb.get_input_tensor_by_name(request, f"INPUT{which}").as_numpy() for which in (0, 1))
            answers.append(
                pb.InferenceResponse([pb.Tensor("OUTPUT0", first + second), pb.Tensor("OUTPUT1", first - second)])
            )
        return answers
"""
SAME = """
import triton_python_backend_utils as pb


def out(name):
    return name.replace("IN", "OUT", 1)


class TritonPythonModel:
    def execute(self, requests):
        return [
            pb.InferenceResponse([pb.Tensor(out(one.name()), one.as_numpy()) for one in request.inputs()])
            for request in requests
        ]
"""


def tensors(kind, specs, extra=""):
    lines = []
    for name, datatype, dims in specs:
        data_type = "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"
        lines.append(f'{{ name: "{name}" data_type: {data_type} dims: {dims} {extra if name == "OUTPUT0" else ""} }}')
    return f"{kind} [ {', '.join(lines)} ]\n"


def write(target, name, program, batch, inputs, outputs, extra=""):
    folder = Path(target) / name
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.py").write_text(program)
    (folder / "labels.txt").write_text("".join(f"label {number}\n" for number in range(16)))
    (folder / "config.pbtxt").write_text(
        f'name: "{name}"\nbackend: "python"\nmax_batch_size: {batch}\ninstance_group [ {{ kind: KIND_CPU }} ]\n'
        + tensors("input", inputs)
        + tensors("output", outputs, extra)
    )


def main(target):
    pairs = [(f"{kind}PUT{which}", "INT32", [16]) for kind in ("IN", "OUT") for which in (0, 1)]
    write(target, "simple", SUMS, 8, pairs[:2], pairs[2:], 'label_filename: "labels.txt"')
    write(target, "vector", SAME, 0, [("INPUT", "FP32", [-1])], [("OUTPUT", "FP32", [-1])])
    ins, outs = ([(f"{kind}_{one}", one, [-1, -1]) for one in DATATYPES] for kind in ("IN", "OUT"))
    write(target, "every", SAME, 0, ins, outs)


main(sys.argv[1])
