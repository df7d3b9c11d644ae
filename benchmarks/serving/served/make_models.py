"""The models of the run, written into FOLDER: iris by scikit-learn; as ONNX a net of three layers, one of pictures."""

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


def normal(random, name, *shape):
    return numpy_helper.from_array(random.normal(0, 0.03, shape).astype(np.float32), name)


def save(folder, nodes, weights, taken):
    """`taken`: the shape of one input, without the batch. The output `y` has ten numbers."""
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
        for name, shape in (("x", taken), ("y", (SIZES[-1],)))
    ]
    graph = helper.make_graph(nodes, folder.name, ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")


def mlp(folder):
    random = np.random.default_rng(1)
    nodes, weights, last = [], [], "x"
    for number, (rows, columns) in enumerate(zip(SIZES, SIZES[1:], strict=False)):
        weights.append(normal(random, f"w{number}", rows, columns))
        out = "y" if number == len(SIZES) - 2 else f"h{number}"
        nodes.append(helper.make_node("MatMul", [last, f"w{number}"], [out if out == "y" else f"m{number}"]))
        if out != "y":
            nodes.append(helper.make_node("Relu", [f"m{number}"], [out]))
        last = out
    save(folder / "mlp", nodes, weights, SIZES[:1])


def conv(folder):
    """Two layers of convolution over a picture, some milliseconds on one core."""
    random, last, nodes, weights = np.random.default_rng(2), "x", [], []
    for number, (taken, given) in enumerate(((3, 16), (16, 32))):
        weights.append(normal(random, f"w{number}", given, taken, 3, 3))
        nodes.append(helper.make_node("Conv", [last, f"w{number}"], [f"c{number}"], strides=[2, 2]))
        last = f"h{number}"
        nodes.append(helper.make_node("Relu", [f"c{number}"], [last]))
    weights.append(normal(random, "w2", 32, SIZES[-1]))
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["p"]))
    nodes.append(helper.make_node("Flatten", ["p"], ["f"]))
    nodes.append(helper.make_node("MatMul", ["f", "w2"], ["y"]))
    save(folder / "conv", nodes, weights, (3, 224, 224))


where = Path(sys.argv[1])
iris(where)
mlp(where)
conv(where)
