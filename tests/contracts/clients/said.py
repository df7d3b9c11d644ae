"""What every script here says: one JSON line for each check, so that the test can tell which of them fail."""

import json
import sys
import traceback
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

DATATYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}


def server():
    """Where it is: http and grpc (host:port), url, key, and headers that carry the key."""
    told = SimpleNamespace(**json.loads(sys.argv[1]))
    told.headers = {"authorization": f"ApiKey {told.key}"}
    return told


@contextmanager
def check(name):
    said = {"check": name, "ok": True}
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a client raises is what we want to know
        where = traceback.extract_tb(error.__traceback__)
        own = next((frame for frame in reversed(where) if "/clients/" in frame.filename), where[-1])
        notes = " ".join(getattr(error, "__notes__", ()))  # an example that shows it, from hypothesis
        said |= {
            "ok": False,
            "why": f"{type(error).__name__}: {error} {notes}"[:1000],
            "line": f"{own.lineno}: {own.line}",
        }
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def same(expected, actual):
    if isinstance(expected, np.ndarray):
        actual = np.asarray(actual)
        assert expected.shape == actual.shape, f"shape {actual.shape}, not {expected.shape}"
        assert expected.dtype == actual.dtype, f"datatype {actual.dtype}, not {expected.dtype}"
        assert np.array_equal(expected, actual, equal_nan=expected.dtype.kind == "f"), f"{actual}, not {expected}"
        return
    assert expected == actual, f"{actual!r}, not {expected!r}"


@contextmanager
def refused(kind, *words):
    """The client's own error, and what it must tell."""
    said = None
    try:
        yield
    except kind as error:
        said = str(error)
    assert said is not None, f"it was taken, and should have been refused with {words}"
    assert all(word in said for word in words), f"{said} does not say {words}"


def numbers(datatype, shape=(2, 3)):
    """Values that a wrong conversion would not survive: the ends of the range among them."""
    kind = np.dtype(DATATYPES[datatype])
    if datatype == "BYTES":
        values = [b"", b"a", "ä😀".encode(), b"x" * 300, b"0", b"null"]
    elif kind.kind == "b":
        values = [True, False, True, True, False, False]
    elif kind.kind == "f":
        info = np.finfo(kind)
        values = [0, -0.5, info.max, info.min, info.tiny, 1 / 3]
    else:
        info = np.iinfo(kind)
        values = [0, 1, info.max, info.min, info.max // 3, 7]
    return np.array(values, dtype=kind).reshape(shape)
