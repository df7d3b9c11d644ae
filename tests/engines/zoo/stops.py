"""Stops its own process."""

import os
import signal


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            os.kill(os.getpid(), signal.SIGSTOP)
        return {"results.json": {"fine": True}}
