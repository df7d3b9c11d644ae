"""Models of LightGBM say what LightGBM says of them; columns are those of their names."""

import sys
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd

from asking import Asking, tensor

HERE = Path(sys.argv[1])
X = np.random.default_rng(0).normal(size=(200, 2))
LITTLE = {"verbose": -1, "min_data_in_leaf": 1, "min_data_per_group": 1, "cat_smooth": 0}


def saved(model, name):
    model.save_model(HERE / name)
    return Asking("lightgbm", HERE, name)


def refused(ask, sentence, *inputs):
    whose, said = ask(*inputs)
    assert ("request", True) == (whose, said.startswith(sentence)), said


table = pd.DataFrame(X, columns=["sepal length", "width"])
model = lightgbm.train(LITTLE, lightgbm.Dataset(table, X[:, 0] - X[:, 1]), 5)
ask = saved(model, "names.txt")
length, width = tensor("sepal length", "FP64", [0.5, -1.0]), tensor("width", "FP64", [-0.2, 2.0])
wanted = model.predict(np.array([[0.5, -0.2], [-1.0, 2.0]])).tolist()
assert wanted[0] != wanted[1]
assert [wanted] * 3 == [
    one["predict"] for one in (ask(length, width), ask(width, length), ask(tensor("x", "FP64", [[0.5, -0.2], [-1, 2]])))
]
refused(ask, "the table lacks the column(s) ['width']", length, tensor("wide", "FP64", [1, 2]))
refused(ask, "input 'x' should be rows of 2 features", tensor("x", "FP64", [[1, 2, 3]]))
refused(ask, "input 'x' has no rows", tensor("x", "FP64", [], [0, 2]))

cities = pd.Categorical(["a", "b", "c", "b"] * 50)
table = pd.DataFrame({"size": X[:, 0], "city": cities})
model = lightgbm.train(LITTLE, lightgbm.Dataset(table, [0, 1, 5, 1] * 50), 5)
ask = saved(model, "categories.txt")
known = pd.Categorical(["c", "a", None], categories=["a", "b", "c"])
wanted = model.predict(pd.DataFrame({"size": [0.0, 0.0, 0.0], "city": known})).tolist()
city = tensor("city", "BYTES", ["c", "a", "zz"])  # what was not there in training is nothing
assert len(set(wanted)) > 1
assert wanted == ask(city, tensor("size", "FP64", [0, 0, 0]))["predict"]
refused(
    ask, "input 'size' should hold numbers: the model knows no texts", city, tensor("size", "BYTES", ["1", "2", "3"])
)
