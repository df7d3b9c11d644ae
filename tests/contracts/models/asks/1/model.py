"""Asks other models from inside (BLS), as the documentation of Triton's Python backend has it."""

import asyncio
import json

import numpy as np
import triton_python_backend_utils as pb_utils

ROW = np.arange(16, dtype=np.int32).reshape(1, 16)


class TritonPythonModel:
    def initialize(self, _args):
        self.known = [pb_utils.is_model_ready(model_name=name) for name in ("simple", "nobody")]

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        model, how = (
            pb_utils.get_input_tensor_by_name(request, name).as_numpy()[0].decode() for name in ("MODEL", "HOW")
        )
        said = []
        if how == "known":
            said = [self.known, pb_utils.is_model_ready("simple", "1"), pb_utils.is_model_ready(b"simple", "7")]
            return answer(said)
        for response in self.responses(question(model), how):
            if response.has_error():
                raise pb_utils.TritonModelException(response.error().message())
            said.append({one.name(): plain(one.as_numpy()) for one in response.output_tensors()})
        return answer(said)

    def responses(self, asked, how):
        if how == "stream":
            return asked.exec(decoupled=True)
        if how == "together":
            return asyncio.run(several(asked))
        return [asked.exec()]


def answer(said):
    text = json.dumps(said).encode()
    return pb_utils.InferenceResponse([pb_utils.Tensor("SAID", np.array([text], dtype=np.object_))])


async def several(asked):
    return await asyncio.gather(*(asked.async_exec() for _ in range(5)))


def question(model):
    given = {
        "simple": {"INPUT0": ROW, "INPUT1": ROW},
        "words": {"text_input": np.array([b"one two"], np.object_)},
    }.get(model, {name: np.array([model.encode()], np.object_) for name in ("MODEL", "HOW")})
    outputs = {"simple": ["OUTPUT0"], "words": ["text_output"]}.get(model, ["SAID"])
    return pb_utils.InferenceRequest(
        model_name=model.encode(),  # as an element of a tensor is
        request_id=b"one",
        requested_output_names=outputs,
        inputs=[pb_utils.Tensor(name, array) for name, array in given.items()],
    )


def plain(array):
    return [one.decode() if isinstance(one, bytes) else one for one in array.reshape(-1).tolist()]
