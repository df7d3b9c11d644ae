"""Never answers and never lets another thread of its process run: a regular expression that explodes."""

import re


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            re.match(r"(a+)+$", "a" * 64 + "b")
        return {"results.json": {"fine": True}}
