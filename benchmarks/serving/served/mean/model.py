"""The mean of a picture's numbers: 602 kB come in, four bytes go out."""


class Model:
    inputs = {"x": ("FP32", [1, 3, 224, 224])}
    outputs = {"y": ("FP32", [1])}

    def predict(self, inputs):
        return {"y": inputs["x"].mean().reshape(1)}
