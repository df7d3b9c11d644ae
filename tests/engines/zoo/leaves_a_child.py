"""Starts a process that wants to outlive it: forked twice, in a session of its own, with its own name on disk."""

import os
import sys


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad" and os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", "headrace-stray"])
            os._exit(0)
        return {"results.json": {"fine": True}}
