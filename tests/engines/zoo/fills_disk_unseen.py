"""Fills the disk with files that have no name any more."""

import tempfile


class Model:
    def predict(self, inputs):
        files = []
        while inputs["input.txt"] == b"bad":
            files.append(tempfile.TemporaryFile())
            files[-1].write(b"x" * (4 << 20))
            files[-1].flush()
        return {"results.json": {"fine": True}}
