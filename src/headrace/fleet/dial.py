"""Which dialect a replica is spoken to in: our own frames, or the contract of a model that listens."""

import importlib
import socket
from collections.abc import Callable

from headrace.dialects.calls import Exchange
from headrace.dialects.dialect import Dialect, Told
from headrace.dialects.frames import Frames
from headrace.domain.body import BodyStore
from headrace.domain.reach import Reach

Listening = Callable[[Reach, Told, BodyStore, int], Dialect]


class Dialects:
    """`most`: bytes of one input's outputs together. `outside` answers what models ask of other models."""

    def __init__(self, store: BodyStore, most: int, outside: Exchange | None = None) -> None:
        self._store, self._most, self._outside = store, most, outside

    def __call__(self, connection: socket.socket | Reach, told: Told) -> Dialect:
        if isinstance(connection, socket.socket):
            return Frames(connection, self._store, self._most, told, self._outside)
        # only servers that run images need it, and what it needs
        listening: Listening = importlib.import_module("headrace.fleet.listening").listening
        return listening(connection, told, self._store, self._most)
