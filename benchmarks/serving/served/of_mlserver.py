"""MLServer's models: echo and mean with its own NumPy codec, and ONNX nets."""

import numpy as np
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


def array(request):
    return NumpyCodec.decode_input(request.inputs[0])


class Plain(MLModel):
    def answer(self, value):
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", value)])


class Echo(Plain):
    async def predict(self, payload):
        return self.answer(array(payload))


class Mean(Plain):
    async def predict(self, payload):
        return self.answer(np.array([array(payload).mean()], np.float32))


class Net(Plain):
    async def load(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, options)
        return True

    async def predict(self, payload):
        return self.answer(self.session.run(None, {"x": array(payload).astype(np.float32)})[0])
