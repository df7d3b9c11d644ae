"""Kills every process that it may signal. Only in a process namespace of its own."""

import os
import signal
import time


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad" and os.getpid() < 10:  # never where it would see the whole machine
            os.kill(-1, signal.SIGKILL)
            time.sleep(60)
        return {"results.json": {"fine": True}}
