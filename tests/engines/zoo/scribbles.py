"""Finds its socket to the server and writes garbage into it."""

import os
import stat


def sockets():
    for name in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                yield int(name)
        except OSError:
            continue


class Model:
    def predict(self, inputs):
        if inputs["input.txt"] == b"bad":
            for descriptor in sockets():
                os.write(descriptor, b"HTTP/1.1 200 OK\r\n\r\n{}" * 100)
        return {"results.json": {"fine": True}}
