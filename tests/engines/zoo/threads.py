"""Starts threads without end."""

import threading
import time


class Model:
    def predict(self, inputs):
        while inputs["input.txt"] == b"bad":
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        return {"results.json": {"fine": True}}
