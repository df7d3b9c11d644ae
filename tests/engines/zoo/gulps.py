"""Asks for more memory than there is, in one go."""


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            return {"results.json": bytearray(64 << 30)}
        return {"results.json": {"fine": True}}
