"""Tries to get out: each input is an expression that it evaluates, and it answers with the value."""

import ctypes
import os
import socket


def connect(address):
    with socket.create_connection(address, timeout=2) as connection:
        return connection.recv(10).decode()


def call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(number, *arguments)
    return result if result >= 0 else os.strerror(ctypes.get_errno())


def walk(top):
    return [os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names]


def is_open(number):
    return os.path.exists(f"/proc/self/fd/{number}") or os.path.islink(f"/proc/self/fd/{number}")


NAMES = {**globals()}


class Model:
    def predict(self, inputs):
        return {"results.json": {"value": eval(inputs["input.txt"], NAMES)}}
