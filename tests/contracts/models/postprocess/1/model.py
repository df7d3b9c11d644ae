"""The last step of an ensemble: the place of the largest number, as a text."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "SCORES", "data_type": "TYPE_INT32", "dims": [16]})
        config.add_output({"name": "LABEL", "data_type": "TYPE_STRING", "dims": [1]})
        config.set_max_batch_size(8)
        return config

    def execute(self, requests):
        return [self.answer(pb_utils.get_input_tensor_by_name(request, "SCORES").as_numpy()) for request in requests]

    def answer(self, scores):
        labels = np.array([[f"number {best}".encode()] for best in scores.argmax(1)], np.object_)
        return pb_utils.InferenceResponse([pb_utils.Tensor("LABEL", labels)])
