"""The model repository for Triton's Python backend: TARGET folder, models FOLDER."""

import sys
from pathlib import Path

PROGRAM = """
import numpy as np
import triton_python_backend_utils as pb

{load}

class TritonPythonModel:
    def execute(self, requests):
        arrays = [pb.get_input_tensor_by_name(one, "x").as_numpy() for one in requests]
        return [pb.InferenceResponse([pb.Tensor("y", value)]) for value in run(arrays)]
"""
ECHO = "def run(arrays): return arrays"
MEAN = "def run(arrays): return [np.array([one.mean()], np.float32) for one in arrays]"
IRIS = """
import joblib
model = joblib.load("{folder}/iris/model.joblib")
def run(arrays): return [model.predict(one) for one in arrays]
"""
NET = """
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession("{folder}/{net}/model.onnx", options)
def run(arrays):
    found = session.run(None, {{"x": np.concatenate(arrays)}})[0]
    return np.split(found, np.cumsum([len(one) for one in arrays])[:-1])
"""


def write(target, name, program, tensors, extra=""):
    (input_type, input_dims), (output_type, output_dims) = tensors
    place = Path(target) / name
    (place / "1").mkdir(parents=True, exist_ok=True)
    (place / "1" / "model.py").write_text(PROGRAM.format(load=program))
    (place / "config.pbtxt").write_text(
        f'backend: "python"\ninstance_group [ {{ kind: KIND_CPU }} ]\n{extra}\n'
        f'input [ {{ name: "x" data_type: {input_type} dims: {input_dims} }} ]\n'
        f'output [ {{ name: "y" data_type: {output_type} dims: {output_dims} }} ]\n'
    )


goal, models = sys.argv[1:]
write(goal, "echo", ECHO, (("TYPE_FP32", [-1, 4]), ("TYPE_FP32", [-1, 4])))
write(goal, "mean", MEAN, (("TYPE_FP32", [1, 3, 224, 224]), ("TYPE_FP32", [1])))
write(goal, "iris", IRIS.format(folder=models), (("TYPE_FP32", [-1, 4]), ("TYPE_INT64", [-1])))
for net, dims in (("mlp", [784]), ("conv", [3, 224, 224])):
    program = NET.format(folder=models, net=net)
    write(goal, net, program, (("TYPE_FP32", dims), ("TYPE_FP32", [10])), "max_batch_size: 64\ndynamic_batching { }")
