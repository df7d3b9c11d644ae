"""Fails while it is loaded."""


class Model:
    def load(self):
        raise FileNotFoundError("weights.bin is not there")

    def predict(self, inputs):
        return {}
