"""How many bytes of requests are in memory, of all doors and connections together, with what they grow by here."""

from types import TracebackType
from typing import Self

from headrace.domain.errors import Unavailable

SMALL = 64 * 1024  # bytes; a request that has no more is not counted


class Bodies:
    """One sum for the whole server. `limit`: bytes at once."""

    def __init__(self, limit: int = 1 << 30) -> None:
        self.limit, self.held = limit, 0

    def take(self, size: int, *, alone: bool = False) -> bool:
        """False: there is no room. `alone`: what is larger than the limit fits where nothing else is."""
        if self.held + size > (max(self.limit, size) if alone else self.limit):
            return False
        self.held += size
        return True

    def give_back(self, size: int) -> None:
        self.held -= size

    def room(self) -> "Room":
        return Room(self)


class Room:
    """The part of one request: all of it, from the moment it is large. It comes back with `with`, or by `give_back`."""

    __slots__ = ("_bodies", "_held", "_size")

    def __init__(self, bodies: Bodies) -> None:
        self._bodies, self._size, self._held = bodies, 0, 0

    def grow(self, size: int) -> None:
        """By so many bytes. Raises Unavailable when all requests together would have too many."""
        self._size += size
        if self._size <= SMALL:
            return
        if not self._bodies.take(self._size - self._held):
            self._size -= size
            raise Unavailable("too many large requests are on their way in: try again later")
        self._held = self._size

    def give_back(self) -> None:
        self._bodies.give_back(self._held)
        self._size = self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()
