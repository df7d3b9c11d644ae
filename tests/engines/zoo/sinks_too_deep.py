"""Recurses without end."""


class Model:
    def predict(self, inputs):
        return self.predict(inputs) if inputs["input.txt"] == b"bad" else {"results.json": {"fine": True}}
