"""Sleeps for as many seconds as its input says: something is always in the middle of the work."""

import time


class Model:
    def predict(self, inputs):
        time.sleep(float(inputs["input.txt"]))
        return {"results.json": b'{"ok":true}'}
