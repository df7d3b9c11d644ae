"""Returns 2 GB."""


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            return {"film.bin": bytes(2 << 30)}
        return {"results.json": {"fine": True}}
