"""The model's end of the connection by which it asks other models (headrace/dialects/calls.py). For any thread."""

from __future__ import annotations

import contextlib
import io
import itertools
import queue
import socket
import threading
from collections.abc import Iterator
from typing import Any

from headrace.runners.harness.answers import HEAD
from headrace.runners.harness.jsons import dumps, loads
from headrace.runners.harness.questions import Arriving
from headrace.runners.harness.slots import NONE

CALL, LEAVE, RESULT, TELL = range(16, 20)
READ_AHEAD = 64 * 1024  # bytes

Heard = tuple[dict[str, Any], memoryview]


class Gone(ConnectionError):
    """The server does not take calls any more."""

    def __init__(self) -> None:
        super().__init__("the server does not take calls to other models any more")


class Calls:
    """Nobody listens before the first call."""

    @classmethod
    def over(cls, descriptor: int) -> Calls | None:
        return None if descriptor == NONE else cls(socket.socket(fileno=descriptor))

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, queue.SimpleQueue[Heard | None]] = {}
        self._listens = self._over = False

    def ask(self, header: dict[str, Any], body: bytes) -> Iterator[Heard]:
        """Results, the last one without `more`. Closed early, the server is told. Raises Gone."""
        number, heard = next(self._numbers), queue.SimpleQueue[Any]()
        self._send(CALL, {**header, "id": number}, body, heard)
        more = True
        try:
            while more:
                result = heard.get()
                if result is None:
                    raise Gone
                more = result[0]["more"]
                yield result
        finally:
            del self._waiting[number]
            if more:
                with contextlib.suppress(Gone):
                    self._send(LEAVE, {"id": number}, b"", None)

    def tell(self, body: bytes) -> None:
        """What the model measures by itself: metrics.py. Raises Gone."""
        self._send(TELL, {"id": 0}, body, None)

    def _send(
        self, kind: int, header: dict[str, Any], body: bytes, heard: queue.SimpleQueue[Heard | None] | None
    ) -> None:
        text = dumps(header)
        with self._lock:
            if self._over:
                raise Gone
            if heard is not None and not self._listens:
                self._listens = True
                threading.Thread(target=self._listen, name="headrace-calls", daemon=True).start()
            if heard is not None:
                self._waiting[header["id"]] = heard
            try:
                self._connection.sendall(HEAD.pack(kind, len(text), len(body)) + text + body)
            except OSError:
                raise Gone from None

    def _listen(self) -> None:
        reader = io.BufferedReader(Arriving(self._connection), READ_AHEAD)
        try:
            while len(head := reader.read(HEAD.size)) == HEAD.size:
                _, length, size = HEAD.unpack(head)
                header = loads(reader.read(length))
                body = memoryview(bytearray(reader.read(size)))
                if (heard := self._waiting.get(header["id"])) is not None:
                    heard.put((header, body))
        except OSError:
            pass
        with self._lock:
            self._over = True
        for heard in list(self._waiting.values()):
            heard.put(None)
