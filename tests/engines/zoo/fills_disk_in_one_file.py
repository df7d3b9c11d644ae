"""Writes one file without end."""

import tempfile


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            with tempfile.NamedTemporaryFile() as file:
                while True:
                    file.write(b"x" * (4 << 20))
        return {"results.json": {"fine": True}}
