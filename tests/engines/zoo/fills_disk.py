"""Writes files without end into its temporary folder."""

import tempfile


class Model:
    def predict(self, inputs):
        while inputs["input.txt"] == b"bad":
            with tempfile.NamedTemporaryFile(delete=False) as file:
                file.write(b"x" * (1 << 20))
        return {"results.json": {"fine": True}}
