"""The first step of an ensemble: raw bytes into the two tensors that `simple` takes. Says by itself what it takes."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "RAW", "data_type": "TYPE_STRING", "dims": [1]})
        for name in ("FIRST", "SECOND"):
            config.add_output({"name": name, "data_type": "TYPE_INT32", "dims": [16]})
        config.set_max_batch_size(8)
        return config

    def execute(self, requests):
        return [self.answer(pb_utils.get_input_tensor_by_name(request, "RAW").as_numpy()) for request in requests]

    def answer(self, raw):
        rows = np.stack([np.frombuffer(one, np.uint8).astype(np.int32) for one in raw[:, 0]])
        return pb_utils.InferenceResponse([pb_utils.Tensor("FIRST", rows), pb_utils.Tensor("SECOND", rows - 1)])
