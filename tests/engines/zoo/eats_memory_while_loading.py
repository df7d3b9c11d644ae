"""Takes too much memory while it is loaded."""


class Model:
    def load(self):
        taken = []
        while True:
            taken.append(bytearray(b"x") * (4 << 20))

    def predict(self, inputs):
        return {}
