"""Sum and difference of two tensors, as Triton's `simple` has them. The rows of several requests run together."""


class Model:
    inputs = {"INPUT0": ("INT32", [-1, 16]), "INPUT1": ("INT32", [-1, 16])}
    outputs = {"OUTPUT0": ("INT32", [-1, 16]), "OUTPUT1": ("INT32", [-1, 16])}
    labels = {"OUTPUT0": [f"label {number}" for number in range(16)]}
    max_batch_size = 8

    def predict(self, inputs):
        first, second = inputs["INPUT0"], inputs["INPUT1"]
        return {"OUTPUT0": first + second, "OUTPUT1": first - second}
