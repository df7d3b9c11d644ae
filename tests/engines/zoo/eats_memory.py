"""Takes memory, a little at a time."""


class Model:
    def predict(self, inputs):
        taken = []
        while inputs["input.txt"] == b"bad":
            taken.append(bytearray(b"x") * (4 << 20))
        return {"results.json": {"fine": True}}
