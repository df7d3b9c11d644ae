"""Models of scikit-learn of many kinds: what they take and give is found out, and told; what they refuse is refused."""

import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from asking import Asking, close, tensor, wanting

HERE = Path(sys.argv[1])
X = np.random.default_rng(0).normal(size=(60, 2))
ROWS = [[0.3, -1.0], [1.5, 0.2]]
x = tensor("x", "FP64", ROWS)
KINDS = np.where(X[:, 0] > 0, "up", "down")


def saved(model, **declared):
    joblib.dump(model, HERE / "model.joblib")
    return Asking("sklearn", HERE, "model.joblib", **declared)


def refused(ask, sentence, *inputs):
    whose, said = ask(*inputs)
    assert ("request", True) == (whose, said.startswith(sentence)), said


# a table whose columns have names, in any order
table = pd.DataFrame(X, columns=["left", "right"])
model = LogisticRegression().fit(table, KINDS)
ask = saved(model)
left, right = tensor("left", "FP64", [0.3, 1.5]), tensor("right", "FP64", [-1.0, 0.2])
wanted = model.predict_proba(pd.DataFrame(ROWS, columns=table.columns)).ravel().tolist()
for inputs in ((left, right), (right, left), (x,)):
    assert close(wanted, ask(*inputs, **wanting("predict_proba"))["predict_proba"])
assert [("input-0", "FP64", [-1, 2])] == ask.takes()
assert [("predict", "BYTES", [-1]), ("predict_proba", "FP64", [-1, 2])] == ask.gives()[:2]
refused(ask, "the table lacks the column(s) ['right']", left, tensor("wrong", "FP64", [1, 2]))
refused(
    ask, "the model cannot take these inputs: The feature names should match", left, right, tensor("m", "FP64", [1, 2])
)
refused(ask, "the model cannot take these inputs: X has 3 features", tensor("x", "FP64", [[1, 2, 3]]))
refused(ask, "the model cannot take these inputs: Input X contains NaN", tensor("x", "FP64", [[1, None]]))
refused(ask, "the model cannot take these inputs: Expected 2D array", tensor("x", "FP64", [1, 2]))
refused(ask, "the model cannot take these inputs: could not convert string", tensor("x", "BYTES", [["a", "b"]]))

# the only column of a table
ask = saved(LinearRegression().fit(table[["left"]], X[:, 1]))
assert ask(tensor("x", "FP64", [[1.0], [2.0]])) == ask(tensor("left", "FP64", [1.0, 2.0]))

# columns of several kinds, which no matrix can hold
table = pd.DataFrame({"n": X[:, 0], "text": ["good film", "bad film"] * 30, "city": ["a", "b", "c"] * 20})
parts = [
    ("n", StandardScaler(), ["n"]),
    ("t", TfidfVectorizer(), "text"),
    ("c", OneHotEncoder(handle_unknown="ignore"), ["city"]),
]
model = make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(table, KINDS)
ask = saved(model)
assert [("n", "FP64", [-1, 1]), ("text", "BYTES", [-1, 1]), ("city", "BYTES", [-1, 1])] == ask.takes()
few = table[:3]
inputs = [
    tensor("city", "BYTES", list(few.city)),
    tensor("text", "BYTES", list(few.text)),
    tensor("n", "FP64", list(few.n)),
]
assert model.predict(few).tolist() == ask(*inputs)["predict"]
assert "predict" in ask(*(tensor(name, kind, [["0"]] if kind == "BYTES" else [[0]]) for name, kind, _ in ask.takes()))
declared = {"n": {"datatype": "FP32", "shape": [-1]}}
assert [("n", "FP32", [-1])] == saved(model, inputs=declared).takes()

# columns of numbers that are chosen by their names are a matrix, too
parts = [("l", StandardScaler(), ["left"]), ("r", "passthrough", ["right"])]
table = pd.DataFrame(X, columns=["left", "right"])
model = make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(table, KINDS)
ask = saved(model)
assert model.predict(pd.DataFrame(ROWS, columns=table.columns)).tolist() == ask(x)["predict"]
refused(
    ask,
    "the input is numbers of the shape [1, 3], and the model has the columns ['left', 'right']",
    tensor("x", "FP64", [[1, 2, 3]]),
)

# texts, as a row of them or as a column; and what is sparse
words = ["good film", "bad film", "good day", "bad day"]
ask = saved(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(words, [1, 0, 1, 0]))
assert ([("input-0", "BYTES", [-1])], ("predict", "INT64", [-1])) == (ask.takes(), ask.gives()[0])
assert (
    {"predict": [1, 0]}
    == ask(tensor("t", "BYTES", words[:2]))
    == ask(tensor("t", "BYTES", [[one] for one in words[:2]]))
)
refused(
    ask, "the input should be one text a row (BYTES), and is numbers of the shape [1, 1]", tensor("t", "FP64", [[0]])
)
sparse = TfidfVectorizer().fit(words)
ask = saved(sparse)
assert sparse.transform(words).toarray().ravel().tolist() == ask(tensor("t", "BYTES", words))["transform"]

# several targets: a table of probabilities for each, and each request its own rows
targets = np.stack([KINDS, np.array(["a", "b", "c"] * 20)], 1)
model = MultiOutputClassifier(LogisticRegression()).fit(X, targets)
ask = saved(model)
assert [
    ("predict", "BYTES", [-1, 2]),
    ("predict_proba_0", "FP64", [-1, 2]),
    ("predict_proba_1", "FP64", [-1, 3]),
] == ask.gives()
each = ask.together(
    [[tensor("x", "FP64", [row])] for row in ROWS], **wanting("predict_proba_1", "predict_proba_0", "predict")
)
for row, found in zip(ROWS, each, strict=True):
    for number, wanted in enumerate(model.predict_proba(np.array([row]))):
        assert close(wanted.ravel().tolist(), found[f"predict_proba_{number}"])
    assert model.predict(np.array([row])).ravel().tolist() == found["predict"]

# floats of another size than those it was fitted with
for kind in ("f4", "f8"):
    model = KMeans(2, n_init=1, random_state=0).fit(X.astype(kind))
    ask = saved(model)
    assert ("predict", "INT32", [-1]) == ask.gives()[0]
    assert ask(x) == ask(x | {"datatype": "FP32"}) == {"predict": model.predict(np.array(ROWS, kind)).tolist()}

(HERE / "cut.pkl").write_bytes(b"\x80\x05 no pickle")
try:
    Asking("sklearn", HERE, "cut.pkl")
except TypeError as error:
    assert str(error).startswith("cut.pkl cannot be read; it may be cut off"), error
else:
    raise AssertionError
