"""After the first example of Triton's Python backend."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            one, two = (pb_utils.get_input_tensor_by_name(request, f"INPUT{n}").as_numpy() for n in (0, 1))
            outputs = [pb_utils.Tensor("OUTPUT0", one + two), pb_utils.Tensor("OUTPUT1", one - two)]
            responses.append(pb_utils.InferenceResponse(output_tensors=outputs))
        return responses
