"""Sums of sequences, each by its correlation id: the sum so far, after what a request adds."""

import numpy as np
import triton_python_backend_utils as pb_utils

START, END = pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START, pb_utils.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END


class TritonPythonModel:
    def initialize(self, args):
        assert args["model_name"] == "steps"
        self.sums = {}

    def execute(self, requests):
        return [self.step(request) for request in requests]

    def step(self, request):
        one, flags = request.correlation_id(), request.flags()
        assert bool(flags & START) == bool(pb_utils.get_input_tensor_by_name(request, "START").as_numpy()[0, 0])
        if flags & START:
            self.sums[one] = 0
        self.sums[one] += int(pb_utils.get_input_tensor_by_name(request, "INPUT").as_numpy()[0, 0])
        found = self.sums.pop(one) if flags & END else self.sums[one]
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT", np.array([[found]], np.int32))])
