"""The frames on their way back (headrace/dialects/framing.py): answers in order, those of a quick model together."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from headrace.runners.harness.jsons import dumps

HEAD = struct.Struct(">BIQ")  # kind, bytes of the JSON header, bytes of the bodies
LOAD, ASK, READY, FAILED, ANSWERS, FORGET = range(1, 7)
FLUSH_BYTES = 64 * 1024
FLUSH_SECONDS = 0.02
SLOW = 5.0  # milliseconds; answers of a model this slow are sent one by one
RESTS = 50  # times FLUSH_SECONDS without an answer after which nobody looks any more

Bodies = Sequence["bytes | memoryview"]


class Answers:
    """Sends answers in order; those of a quick model travel together, at most FLUSH_SECONDS late."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._ready: deque[tuple[tuple[Any, ...], Bodies]] = deque()
        self._size = self._frames = 0
        self._lock = threading.Lock()  # of sending
        self._wake = threading.Event()
        self._watched = False  # somebody looks for answers that are late
        self._forked = False
        os.register_at_fork(after_in_child=self._fork)
        threading.Thread(target=self._late, name="headrace-answers", daemon=True).start()

    def add(self, head: tuple[Any, ...], bodies: Bodies, last: bool) -> None:
        """`head` as in an ANSWERS frame; its third field is the latency."""
        if self._forked:
            os._exit(0)  # a fork of the model came back here: only the first process answers
        self._ready.append((head, bodies))
        # with the other thread in between it may be too large, and a frame leave earlier than it need
        self._size += len(bodies[0]) if len(bodies) == 1 else sum(map(len, bodies))
        if last or self._size > FLUSH_BYTES or head[2] > SLOW:
            self._flush()
        elif not self._watched:
            self._watched = True
            self._wake.set()

    def send(self, kind: int, header: object, bodies: Bodies = ()) -> None:
        text = dumps(header)
        size = sum(map(len, bodies))
        start = HEAD.pack(kind, len(text), size) + text
        if size <= FLUSH_BYTES * 4:
            self._connection.sendall(b"".join([start, *bodies]))
            return
        self._connection.sendall(start)
        for body in bodies:
            self._connection.sendall(body)

    def _fork(self) -> None:
        self._forked = True

    def _flush(self) -> None:
        ready = self._ready
        with self._lock:
            heads: list[tuple[Any, ...]] = []
            bodies: list[bytes | memoryview] = []
            while ready:  # one more may be added meanwhile
                head, own = ready.popleft()
                heads.append(head)
                bodies += own
            self._size = 0
            if heads:
                self._frames += 1
                self.send(ANSWERS, heads, bodies)

    def _late(self) -> None:
        """Looks at a steady pace while there are answers: being woken for each of them would cost more than they do."""
        rests = seen = 0
        while True:
            if rests == RESTS and not self._ready:  # one that comes from here on wakes us: `_watched` is False
                self._wake.wait()
                self._wake.clear()
            time.sleep(FLUSH_SECONDS)
            try:
                self._flush()
            except OSError:
                return  # the main thread finds the same out by itself
            rests = rests + 1 if self._frames == seen else 0
            seen, self._watched = self._frames, rests < RESTS
