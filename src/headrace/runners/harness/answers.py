"""The frames on their way back (headrace/dialects/framing.py): answers in order, those of a quick model together."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

HEAD = struct.Struct(">BIQ")  # kind, bytes of the JSON header, bytes of the bodies
LOAD, ASK, READY, FAILED, ANSWERS = range(1, 6)
FLUSH_BYTES = 64 * 1024
FLUSH_SECONDS = 0.02
SLOW = 5.0  # milliseconds; answers of a model this slow are sent one by one
_encode = json.JSONEncoder(separators=(",", ":")).encode

Bodies = Sequence["bytes | memoryview"]


class Answers:
    """Sends answers in order; those of a quick model travel together, at most FLUSH_SECONDS late."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._heads: list[tuple[Any, ...]] = []
        self._bodies: list[bytes | memoryview] = []
        self._size = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._home = os.getpid()
        threading.Thread(target=self._late, name="headrace-answers", daemon=True).start()

    def add(self, head: tuple[Any, ...], bodies: Bodies, last: bool) -> None:
        """`head` as in an ANSWERS frame; its third field is the latency."""
        if os.getpid() != self._home:
            os._exit(0)  # a fork of the model came back here: only the first process answers
        with self._lock:
            self._heads.append(head)
            self._bodies.extend(bodies)
            self._size += sum(map(len, bodies))
            if last or self._size > FLUSH_BYTES or head[2] > SLOW:
                self._flush()
            elif len(self._heads) == 1:
                self._wake.set()

    def send(self, kind: int, header: object, bodies: Bodies = ()) -> None:
        text = _encode(header).encode()
        size = sum(map(len, bodies))
        start = HEAD.pack(kind, len(text), size) + text
        if size <= FLUSH_BYTES * 4:
            self._connection.sendall(b"".join([start, *bodies]))
            return
        self._connection.sendall(start)
        for body in bodies:
            self._connection.sendall(body)

    def _flush(self) -> None:
        if self._heads:
            heads, bodies = self._heads, self._bodies
            self._heads, self._bodies, self._size = [], [], 0
            self.send(ANSWERS, heads, bodies)

    def _late(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            time.sleep(FLUSH_SECONDS)
            with self._lock:
                try:
                    self._flush()
                except OSError:
                    return  # the main thread finds the same out by itself
