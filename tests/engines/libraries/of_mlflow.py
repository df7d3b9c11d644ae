"""Models of MLflow: parameters of their signature, numbers that fit it, and what it refuses."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from asking import Asking, tensor

warnings.simplefilter("ignore")  # of MLflow, about integers and missing values
import mlflow.pyfunc  # noqa: E402
import mlflow.sklearn  # noqa: E402
from mlflow.models import infer_signature  # noqa: E402
from sklearn.linear_model import LinearRegression  # noqa: E402

HERE = Path(sys.argv[1])


class Sum(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):  # noqa: ARG002
        if (model_input["a"] < 0).any():
            raise ValueError("negative")
        return model_input["a"] + model_input["b"] * (params or {}).get("factor", 1)


table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
signature = infer_signature(table, table["a"], params={"factor": 1})
needs = {"pip_requirements": ["pandas"]}
mlflow.pyfunc.save_model(HERE / "sum", python_model=Sum(), signature=signature, **needs)
ask = Asking("mlflow", HERE, "sum")
a, b = tensor("a", "FP64", [1, 2]), tensor("b", "FP64", [3, 4])
[plain], [times] = ask(a, b).values(), ask(a, b, parameters={"factor": 10, "other": 1}).values()
assert ([4, 6], [31, 42]) == (plain, times)
assert [[4, 6]] == list(ask(a | {"datatype": "INT64"}, b).values())
assert ("model", "negative") == ask(tensor("a", "FP64", [-1, 2]), b)
for sentence, inputs in {
    "Model is missing inputs ['b']": (a,),
    "Failed to convert column a": (tensor("a", "BYTES", ["x", "y"]), b),
}.items():
    whose, said = ask(*inputs)
    assert ("request", True) == (whose, said.startswith(f"the model cannot take these inputs: {sentence}")), said
whose, said = ask(tensor("x", "FP64", [[1, 2, 3]]))
assert ("request", True) == (whose, "rows of 2, the columns ['a', 'b']" in said), said

counts = pd.DataFrame({"a": np.array([1, 2], "i4")})
mlflow.pyfunc.save_model(HERE / "counts", python_model=Sum(), signature=infer_signature(counts), **needs)
whose, said = Asking("mlflow", HERE, "counts")(tensor("a", "INT64", [1 << 40, 2]))
assert ("request", True) == (whose, "Incompatible input types for column a" in said), said

model = LinearRegression().fit(np.eye(2), [1, 2])
mlflow.sklearn.save_model(model, HERE / "plain", serialization_format="cloudpickle", **needs)
whose, said = Asking("mlflow", HERE, "plain")(tensor("x", "FP64", [[1, 2, 3]]))
assert ("request", True) == (whose, "X has 3 features" in said), said
