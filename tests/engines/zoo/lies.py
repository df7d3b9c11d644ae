"""Writes a well-formed frame that announces an answer of 2 GB, and then drips it."""

import json
import os
import struct
import sys
import time


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            head = json.dumps([[1, 2, 0.5, None, [["results.json", 2 << 30]]]]).encode()
            descriptor = int(sys.argv[1])  # as the harness was told
            os.write(descriptor, struct.pack(">BIQ", 5, len(head), 2 << 30) + head)
            while True:
                os.write(descriptor, b"x")
                time.sleep(0.05)
        return {"results.json": {"fine": True}}
