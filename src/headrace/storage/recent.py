"""A small memory in front of the database: what was read lately need not be read again, and a change forgets it."""

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from headrace.storage.shared import Shared

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """At most `at_most` values, none older than `max_age` seconds: so long may another process's change stay unseen.

    Callers who come while it is read wait for the same read, and go on in the order in which they came. A value that
    was being read while something was forgotten is handed out but not kept, nor given to later callers: it may be the
    old one.
    """

    def __init__(self, at_most: int, max_age: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._at_most, self._max_age, self._clock = at_most, max_age, clock
        self._kept: dict[K, tuple[float, V]] = {}
        self._reading: Shared[tuple[K, int], V] = Shared()
        self._turn = 0

    async def of(self, key: K, read: Callable[[], Awaitable[V]]) -> V:
        """The value of `key`, from memory or from `read`. What `read` raises is passed on and not kept."""
        asked = (key, self._turn)
        kept = self._kept.get(key)
        if kept is not None and self._clock() - kept[0] < self._max_age and asked not in self._reading:
            return kept[1]
        return await self._reading.of(asked, lambda: self._read(key, read))

    async def _read(self, key: K, read: Callable[[], Awaitable[V]]) -> V:
        before, turn = self._clock(), self._turn
        kept = self._kept.get(key)
        if kept is not None and before - kept[0] < self._max_age:  # those who came before have read it just now
            return kept[1]
        value = await read()
        if turn == self._turn:
            if len(self._kept) >= self._at_most:
                self._kept.clear()
            self._kept[key] = (before, value)
        return value

    def forget(self, key: K) -> None:
        self._turn += 1
        self._kept.pop(key, None)

    def clear(self) -> None:
        self._turn += 1
        self._kept.clear()
