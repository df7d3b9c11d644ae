"""Returns what cannot be written down."""


class Odd(Exception):
    def __str__(self):
        raise RuntimeError("even my error is broken")


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            return {"results.json": {"model": self}}
        if inputs["input.txt"] == b"surrogate":
            raise ValueError("half a character: \ud800")
        if inputs["input.txt"] == b"odd":
            raise Odd
        return {"results.json": {"fine": True}}
