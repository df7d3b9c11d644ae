"""What a config.pbtxt has a model answer before others may ask it."""

import struct
from pathlib import Path
from typing import Any

import pytest

from headrace.runners.harness.adapters.adapter import Adapter, Asked
from headrace.runners.harness.adapters.pbtxt import Reader
from headrace.runners.harness.adapters.triton_warmup import FOLDER, warm_up

CONFIG = """
model_warmup [
  { name: "zeros" batch_size: 2 inputs { key: "x" value: { data_type: TYPE_FP32 dims: [ 3 ] zero_data: true } } },
  {
    name: "random" count: 3
    inputs { key: "x" value: { data_type: TYPE_INT8 dims: [ 4 ] random_data: true } }
    inputs { key: "b" value: { data_type: TYPE_BOOL dims: [ 1 ] random_data: true } }
  },
  { name: "file" inputs { key: "x" value: { data_type: TYPE_FP32 dims: [ 2 ] input_data_file: "x.bin" } } },
  { name: "text" inputs { key: "t" value: { data_type: TYPE_STRING dims: [ 2 ] zero_data: true } } }
]
"""


class Remembers(Adapter):
    max_batch_size = 8

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []

    def run(self, arrays: dict[str, Any], _asked: Asked) -> dict[str, Any]:
        self.heard.append(arrays)
        if "fail" in arrays:
            raise ValueError("too cold")
        return {}


def said(text: str = CONFIG) -> Any:
    return Reader(text).message()["model_warmup"]


def test_each_is_asked_as_often_as_it_says(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "x.bin").write_bytes(struct.pack("<2f", 1.5, 2.5))
    model = Remembers()

    warm_up(model, said(), tmp_path)

    zeros, first, second, third, file, text = model.heard
    assert ((2, 3), "float32", 0.0) == (zeros["x"].shape, zeros["x"].dtype, zeros["x"].sum())
    assert ((1, 4), "int8", "bool") == (first["x"].shape, first["x"].dtype, first["b"].dtype)
    assert first["x"].tolist() == second["x"].tolist() == third["x"].tolist()
    assert [[1.5, 2.5]] == file["x"].tolist()
    assert [[b"", b""]] == text["t"].tolist()


def test_none_is_no_fault(tmp_path: Path) -> None:
    warm_up(model := Remembers(), None, tmp_path)
    assert [] == model.heard


def test_a_failure_says_which(tmp_path: Path) -> None:
    one = 'model_warmup { name: "cold" inputs { key: "fail" value: { data_type: TYPE_FP32 dims: [ 1 ] } } }'
    with pytest.raises(RuntimeError, match="its warm-up 'cold' failed: too cold"):
        warm_up(Remembers(), said(one), tmp_path)
