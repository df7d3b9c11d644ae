"""Raises."""


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            raise ValueError("no cat in this picture")
        return {"results.json": {"fine": True}}
