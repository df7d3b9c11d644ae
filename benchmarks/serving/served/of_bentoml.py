"""BentoML's service: echo and the batched net, in its own JSON. The net only forms batches in a plain `def`."""

import os

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1, traffic={"timeout": 120})
class Served:
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MLP"], options)

    @bentoml.api
    async def echo(self, x: list[list[float]]) -> list[list[float]]:
        return np.array(x, np.float32).tolist()

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=10_000)
    def mlp(self, x: list[list[float]]) -> list[list[float]]:
        return self.session.run(None, {"x": np.array(x, np.float32)})[0].tolist()
