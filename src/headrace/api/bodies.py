"""How many bytes of requests are in memory, of all connections together: also those that a request grows by here."""

from types import TracebackType
from typing import Self

from headrace.domain.errors import Unavailable

SMALL = 64 * 1024  # bytes of one request that are not counted


class Bodies:
    """`limit`: bytes at once."""

    def __init__(self, limit: int = 1 << 30) -> None:
        self.limit, self.held = limit, 0

    def room(self) -> "Room":
        return Room(self)


class Room:
    """The part of one request. It comes back with `with`, or by `give_back`."""

    __slots__ = ("_bodies", "_size")

    def __init__(self, bodies: Bodies) -> None:
        self._bodies, self._size = bodies, 0

    def grow(self, size: int) -> None:
        """Asked before the bytes are there. Raises Unavailable when all requests together would have too many."""
        if self._bodies.held + size > self._bodies.limit:
            raise Unavailable("too many large requests are on their way in: try again later")
        self._bodies.held += size
        self._size += size

    def give_back(self) -> None:
        self._bodies.held -= self._size
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()
