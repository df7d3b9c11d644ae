"""Questions as an ASK frame lists them, and their bodies, read when their turn comes."""

from __future__ import annotations

import io
import select
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from headrace.runners.harness.slots import Slots

GROUP_BYTES = 64 << 20  # of bodies that are read for one turn
SLOT = 3  # place of that number in an entry
FILES, HTTP, REST, GRPC = "files", "http", "v2-rest", "v2-grpc"  # forms of questions


class Started(Protocol):
    """What is told to the server, and by it, without a frame: see dialects/cell.py."""

    def __call__(self, index: int, count: int) -> None:
        """The first question that is worked on, and how many are."""
        ...

    def unwanted(self, index: int) -> bool:
        """Nobody wants further answers to this question."""
        ...

    def taken(self) -> int:
        """Answers of the stream that is running which were read."""
        ...


class Asked:
    """One entry of an ASK frame. `names`: of files, with sizes; `slot`: number of the memory where a body lies."""

    # so it is with most; and without __slots__ one is made faster
    explain = False
    names: Sequence[tuple[str, int]] = ()
    slot: int | None = None

    def __init__(self, entry: list[Any]) -> None:
        self.form: str
        self.size: int
        self.meta: dict[str, str]
        first = entry[0]
        if type(first) is not bool:
            self.form, self.size, self.meta = first, entry[1], entry[2]
            if len(entry) > SLOT:
                self.slot = entry[3]
        else:
            self.explain, self.form, self.meta, self.names = first, FILES, {}, entry[1]
            self.size = sum([size for _, size in self.names])


class Arriving(io.RawIOBase):
    """What comes over the connection, waited for in `poll`.

    A thread that waits in `recv` is woken for nothing each time the server takes an answer: with a socket of Unix that
    frees room to write, and only `poll` knows that nobody waits for room. It then runs before the server goes on.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._receive, news = connection.recv_into, select.poll()
        news.register(connection, select.POLLIN)
        self._wait = news.poll

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._wait()
        return self._receive(buffer)


class Bodies:
    """The connection, from which each body is read once and in order, and the memory in which large ones lie."""

    def __init__(self, reader: io.BufferedReader[Any], slots: Slots) -> None:
        self._reader, self._slots = reader, slots

    def files(self, asked: Asked) -> dict[str, bytes]:
        found = {}
        for name, size in asked.names:
            body = self._reader.read(size)
            if len(body) != size:
                sys.exit(0)  # the server is gone
            found[name] = body
        return found

    def one(self, asked: Asked) -> bytearray:
        """The body of a question that has one: our own, so that it may be kept and written to."""
        return own(self.seen(asked))

    def seen(self, asked: Asked) -> bytes | bytearray | memoryview:
        """The same, or what may only be read: text, and for a moment a view of memory that is shared."""
        if asked.slot is not None:
            return self._slots.view(asked.slot, asked.size)
        if asked.form == REST and "json" not in asked.meta:
            text = self._reader.read(asked.size)
            if len(text) != asked.size:
                sys.exit(0)  # the server is gone
            return text
        body = bytearray(asked.size)
        if self._reader.readinto(body) != len(body):
            sys.exit(0)  # the server is gone
        return body


def own(body: bytes | bytearray | memoryview) -> bytearray:
    return body if type(body) is bytearray else bytearray(body)


class Clock:
    """When a turn began and how long it took: the first three fields of an answer's head."""

    def __init__(self) -> None:
        self._wall, self._begin = time.time(), time.perf_counter()

    def again(self) -> None:
        """The next turn begins. The time of day comes from the first one."""
        begin = time.perf_counter()
        self._wall += begin - self._begin
        self._begin = begin

    def stop(self, together: int) -> tuple[int, int, float]:
        """Milliseconds since 1970 twice, milliseconds for each of those that ran together."""
        took = 1000 * (time.perf_counter() - self._begin)
        wall = 1000 * self._wall
        return int(wall), int(wall + took), took / together


def turns(questions: list[Asked], at_most: int) -> Iterator[tuple[int, int]]:
    """From, to: as many as may be read together."""
    index = 0
    while index < len(questions):
        end, size = index + 1, questions[index].size
        while end < min(len(questions), index + at_most):
            size += questions[end].size
            if size > GROUP_BYTES:
                break
            end += 1
        yield index, end
        index = end
