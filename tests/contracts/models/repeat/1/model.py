"""Triton's repeat_int32: an answer for each element; where the first one is negative, over and over, for ever."""

import itertools
import threading

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        assert args["model_name"] == "repeat"

    def execute(self, requests):
        for request in requests:
            threading.Thread(target=self.repeat, args=(request,), daemon=True).start()

    def repeat(self, request):
        sender = request.get_response_sender()
        values = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
        for index, value in enumerate(values if values[:1].sum() >= 0 else itertools.cycle(values)):
            if sender.is_cancelled():
                break
            if value == 666:
                sender.send(pb_utils.InferenceResponse(error=pb_utils.TritonError("the number of the beast")))
                break
            tensors = [
                pb_utils.Tensor("OUT", np.array([value], np.int32)),
                pb_utils.Tensor("IDX", np.array([index], np.uint32)),
            ]
            sender.send(pb_utils.InferenceResponse(tensors))
        sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
