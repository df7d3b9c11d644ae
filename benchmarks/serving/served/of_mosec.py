"""mosec's server: echo and the batched net, the protocol's JSON decoded by hand. --port PORT, models by MODELS."""

import os

import msgspec
import numpy as np
import onnxruntime
from mosec import Runtime, Server, Worker

decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode


class Echo(Worker):
    def deserialize(self, data):
        one = decode(data)["inputs"][0]
        return np.array(one["data"], np.float32).reshape(one["shape"])

    def serialize(self, data):
        one = {"name": "y", "datatype": "FP32", "shape": data.shape, "data": data.ravel().tolist()}
        return encode({"outputs": [one]})

    def forward(self, data):
        return data


class Mlp(Echo):
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(f"{os.environ['MODELS']}/mlp/model.onnx", options)

    def forward(self, data):
        found = self.session.run(None, {"x": np.concatenate(data)})[0]
        return [one.reshape(1, -1) for one in found]


if __name__ == "__main__":
    server = Server()
    server.register_runtime({"/echo": [Runtime(Echo)], "/mlp": [Runtime(Mlp, max_batch_size=32, max_wait_time=5)]})
    server.run()
