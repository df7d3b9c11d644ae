"""LitServe's server: echo and the batched net, the protocol's JSON decoded by hand. PORT, models FOLDER."""

import sys

import litserve
import numpy as np
import onnxruntime


def answered(value):
    return {"outputs": [{"name": "y", "datatype": "FP32", "shape": list(value.shape), "data": value.ravel().tolist()}]}


class Echo(litserve.LitAPI):
    def setup(self, device):
        pass

    def decode_request(self, request):
        one = request["inputs"][0]
        return np.array(one["data"], np.float32).reshape(one["shape"])

    def predict(self, x):
        return x

    def encode_response(self, output):
        return answered(output)


class Mlp(Echo):
    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(f"{sys.argv[2]}/mlp/model.onnx", options)

    def batch(self, inputs):
        return np.concatenate(inputs)

    def predict(self, x):
        return self.session.run(None, {"x": x})[0]

    def unbatch(self, output):
        return [one.reshape(1, -1) for one in output]


if __name__ == "__main__":
    litserve.LitServer(
        [Echo(api_path="/echo"), Mlp(api_path="/mlp", max_batch_size=32, batch_timeout=0.005)],
        accelerator="cpu",
        timeout=120,
    ).run(port=int(sys.argv[1]), host="127.0.0.1", generate_client_file=False, log_level="warning")
