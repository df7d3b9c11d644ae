"""One tensor of any length, without a batch: what a body without any JSON can be meant for."""


class Model:
    inputs = {"INPUT": ("FP32", [-1])}
    outputs = {"OUTPUT": ("FP32", [-1])}

    def predict(self, inputs):
        return {"OUTPUT": inputs["INPUT"]}
