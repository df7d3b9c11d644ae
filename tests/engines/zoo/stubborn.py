"""Hangs and does not hear SIGTERM, in a process group of its own."""

import os
import signal
import time


class Model:
    def load(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)

    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            if os.fork() == 0:
                os.setsid()
            while True:
                time.sleep(60)
        return {"results.json": {"fine": True}}
