"""The two trained models of the run, written into FOLDER: iris by scikit-learn, and a net of three layers as ONNX."""

import sys
from pathlib import Path

import joblib
import numpy as np
import onnx
import skops.io
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

SIZES = (784, 2048, 2048, 10)


def iris(folder):
    model = LogisticRegression(max_iter=500).fit(*load_iris(return_X_y=True))
    for name in ("iris", "iris_skops"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "iris" / "model.joblib")
    skops.io.dump(model, folder / "iris_skops" / "model.skops")


def mlp(folder):
    random = np.random.default_rng(1)
    nodes, weights, last = [], [], "x"
    for number, (rows, columns) in enumerate(zip(SIZES, SIZES[1:], strict=False)):
        weights.append(
            numpy_helper.from_array(random.normal(0, 0.03, (rows, columns)).astype(np.float32), f"w{number}")
        )
        out = "y" if number == len(SIZES) - 2 else f"h{number}"
        nodes.append(helper.make_node("MatMul", [last, f"w{number}"], [out if out == "y" else f"m{number}"]))
        if out != "y":
            nodes.append(helper.make_node("Relu", [f"m{number}"], [out]))
        last = out
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in (("x", SIZES[0]), ("y", SIZES[-1]))
    ]
    graph = helper.make_graph(nodes, "mlp", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "mlp").mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "mlp" / "model.onnx")


where = Path(sys.argv[1])
iris(where)
mlp(where)
