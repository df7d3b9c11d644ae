"""Takes memory in many processes, none of which is large."""

import os
import time


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            for _ in range(6):
                if os.fork() == 0:
                    taken = bytearray(b"x") * (60 << 20)
                    time.sleep(60 + len(taken))
            time.sleep(60)
        return {"results.json": {"fine": True}}
