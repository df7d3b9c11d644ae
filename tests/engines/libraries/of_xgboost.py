"""Models of XGBoost say what XGBoost says of them, and refuse what it refuses."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost

from asking import Asking, close, tensor, wanting

HERE = Path(sys.argv[1])
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 2))
ROWS = [[0.3, -1.0], [1.5, 0.2], [-2.0, 0.1]]
Y3 = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def saved(model, name):
    model.save_model(HERE / name)
    return Asking("xgboost", HERE, name)


def x(rows):
    return tensor("x", "FP64", rows)


# classes for scikit-learn: a classifier predicts classes
for y in (Y3 > 0, Y3):
    model = xgboost.XGBClassifier(n_estimators=3).fit(X, y.astype(int))
    ask = saved(model, "classes.ubj")
    both = ask(x(ROWS), **wanting("predict", "predict_proba"))
    assert model.predict(np.array(ROWS)).tolist() == both["predict"], both
    assert close(model.predict_proba(np.array(ROWS)).ravel().tolist(), both["predict_proba"]), both
    assert ("predict", "INT64", [-1]) == ask.gives()[0]

# a Booster gives what its objective gives
booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X, Y3 > 0), 3)
assert close(booster.predict(xgboost.DMatrix(ROWS)).tolist(), saved(booster, "booster.json")(x(ROWS))["predict"])

# they stop at the best iteration, which was not the last
early = xgboost.XGBRegressor(n_estimators=50, early_stopping_rounds=3, learning_rate=0.9)
early.fit(X[:30], RANDOM.normal(size=30), eval_set=[(X[30:], Y3[30:])], verbose=False)
assert early.best_iteration + 1 < early.get_booster().num_boosted_rounds()
assert close(early.predict(np.array(ROWS)).tolist(), saved(early, "early.json")(x(ROWS))["predict"])

# columns by name, in any order, and categories by their values
table = pd.DataFrame({"size": X[:, 0], "city": pd.Categorical(["a", "bb", "c"] * 20)})
model = xgboost.XGBClassifier(n_estimators=3, enable_categorical=True, min_child_weight=0).fit(table, [0, 1, 0] * 20)
cities = pd.Categorical(["bb", "a", "c"], categories=["a", "bb", "c"])
wanted = model.predict_proba(pd.DataFrame({"size": [0.3, 1.5, -2.0], "city": cities})).ravel().tolist()
ask = saved(model, "categories.json")
size, city = tensor("size", "FP32", [0.3, 1.5, -2.0]), tensor("city", "BYTES", ["bb", "a", "c"])
proba = wanting("predict_proba")
assert close(wanted, ask(size, city, **proba)["predict_proba"])
assert close(wanted, ask(city, size, **proba)["predict_proba"])
assert close(wanted, ask(x([[0.3, 1], [1.5, 0], [-2.0, 2]]), **proba)["predict_proba"])
refused = {
    "input 'city' holds 'zz', and the model knows 'a', 'bb', 'c'": (size, tensor("city", "BYTES", ["a", "zz", "a"])),
    "the table lacks the column(s) ['city']": (size, tensor("town", "BYTES", ["a", "a", "a"])),
    "input 'size' should hold numbers: the model knows no texts": (
        tensor("size", "BYTES", ["1"]),
        city | {"shape": [1], "data": ["a"]},
    ),
    "input 'city' has 3 rows, and the inputs before it have 1": (tensor("size", "FP32", [1]), city),
    "input 'x' should be rows of 2 features, and its shape is [1, 1]": (x([[1]]),),
    "input 'x' should be rows of 2 features, and its shape is [2]": (x([1, 2]),),
    "input 'x' has no rows": (tensor("x", "FP64", [], [0, 2]),),
    "the model cannot take these inputs: Input data contains `inf` or a value too large": (x([[1e300, 0]]),),
}
for sentence, inputs in refused.items():
    whose, said = ask(*inputs)
    assert ("request", True) == (whose, said.startswith(sentence)), said
    assert "Stack trace" not in said

(HERE / "cut.ubj").write_bytes(b"nope")
try:
    Asking("xgboost", HERE, "cut.ubj")
except TypeError as error:
    assert str(error).startswith("cut.ubj is no model that this version of XGBoost reads"), error
    assert "Stack trace" not in str(error)
else:
    raise AssertionError
