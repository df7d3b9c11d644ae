"""Models that allow that their answers are given again; each counts how often it was asked."""

import json
from pathlib import Path

import httpx2
import pytest
from engines.test_formats import folder
from live import Server

NUMPY = "numpy==2.4.6"
COUNTS = """
class Model:
    inputs = {"x": ("FP32", [1, 2])}
    outputs = {"y": ("FP32", [1, 2]), "n": ("INT32", [1])}
    response_cache = True

    def load(self):
        self.asked = 0

    def predict(self, inputs):
        self.asked += 1
        return {"y": inputs["x"] * 2, "n": __import__("numpy").array([self.asked], "i4")}
"""
TRITON = """
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.asked = 0

    def execute(self, requests):
        self.asked += len(requests)
        x = pb_utils.get_input_tensor_by_name(requests[0], "x").as_numpy()
        n = np.array([self.asked], "i4")
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", x * 2), pb_utils.Tensor("n", n)]) for _ in requests]
"""
CONFIG = """
backend: "python"
input [{ name: "x" data_type: TYPE_FP32 dims: [1, 2] }]
output [{ name: "y" data_type: TYPE_FP32 dims: [1, 2] }, { name: "n" data_type: TYPE_INT32 dims: [1] }]
response_cache { enable: true }
"""


def python_class(place: Path) -> Path:
    return folder(place, model_dot_py=COUNTS, requirements_dot_txt=NUMPY)


def triton_model(place: Path) -> Path:
    found = folder(place, config_dot_pbtxt=CONFIG, requirements_dot_txt=NUMPY)
    (found / "1").mkdir()
    (found / "1" / "model.py").write_text(TRITON)
    return found


@pytest.mark.parametrize("make", [python_class, triton_model])
def test_the_model_is_asked_once(tmp_path: Path, make) -> None:
    server = Server(tmp_path / "data", "runners.sandbox=off").start()
    try:
        server.deploy(make(tmp_path / "counts"), "counts", tests={"x": b"[[1, 2]]"}, minimum=1, maximum=1)
        key = {"Authorization": f"ApiKey {server.key}"}
        with httpx2.Client(base_url=server.url, headers=key, timeout=30, verify=False) as http:

            def asked(*values: float) -> dict[str, object]:
                one = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": values}
                return http.post("/v2/models/counts/infer", json={"inputs": [one]}).raise_for_status().json()

            def outputs(answer) -> dict[str, list[float]]:
                return {one["name"]: one["data"] for one in answer["outputs"]}

            first, second, other, third = asked(1, 2), asked(1, 2), asked(3, 4), asked(1, 2)
            stats = http.get("/v2/models/counts/stats").json()["model_stats"][0]["inference_stats"]
            config = http.get("/v2/models/counts/config").json()
            metrics = http.get("/metrics").text

        assert {"y": [2, 4], "n": outputs(first)["n"]} == outputs(first) == outputs(second) == outputs(third)
        assert {"y": [6, 8], "n": [outputs(first)["n"][0] + 1]} == outputs(other)
        assert 4 == len({one["id"] for one in (first, second, other, third)})
        assert (2, 2) == (stats["cache_hit"]["count"], stats["cache_miss"]["count"])
        assert 1 + 4 == stats["success"]["count"]  # the run test of the deployment is one of them
        assert {"enable": True} == config["response_cache"]
        assert "nv_cache_num_hits_per_model{" in metrics
        assert json.dumps(first).count(first["id"]) == 1
    finally:
        server.stop()
