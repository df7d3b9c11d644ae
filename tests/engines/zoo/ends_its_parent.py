"""Kills the process above it."""

import os
import signal
import time


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        return {"results.json": {"fine": True}}
