"""Kills everything in its process group."""

import os
import signal


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            os.killpg(0, signal.SIGKILL)
        return {"results.json": {"fine": True}}
