"""Closes its socket to the server."""

import os

from scribbles import sockets


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            for descriptor in list(sockets()):
                os.close(descriptor)
        return {"results.json": {"fine": True}}
