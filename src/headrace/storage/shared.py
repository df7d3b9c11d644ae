"""One read for all who ask for the same thing at the same time. They go on in the order in which they came."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from copy import copy
from typing import Generic, TypeVar

from headrace.domain.errors import HeadraceError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_Told = tuple[V] | HeadraceError | None  # None: the next one has to read


class _Line(Generic[V]):
    """Those who came while the first one reads."""

    __slots__ = ("over", "turns")

    def __init__(self) -> None:
        self.turns: deque[asyncio.Future[_Told[V]]] = deque()
        self.over = False  # all were told, and some have not gone on yet


class Shared(Generic[K, V]):
    """Nothing is remembered: a key has to say all that makes two reads the same, such as the turn of what is read."""

    def __init__(self) -> None:
        self._lines: dict[K, _Line[V]] = {}

    def __contains__(self, key: K) -> bool:
        """Whether others come first. Whoever knows the value already must not pass them either."""
        return key in self._lines

    async def of(self, key: K, read: Callable[[], Awaitable[V]]) -> V:
        """What `read` gives; what it raises is raised for all, unless nobody foresaw it: then each reads for itself."""
        before = self._lines.get(key)
        if before is not None and not before.over:
            return await self._follow(key, before, read)
        line = self._lines[key] = _Line()
        return await self._lead(key, line, read, late=before is not None)

    async def _follow(self, key: K, line: _Line[V], read: Callable[[], Awaitable[V]]) -> V:
        turn: asyncio.Future[_Told[V]] = asyncio.get_running_loop().create_future()
        line.turns.append(turn)
        try:
            told = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result() is None:
                self._tell(key, line, None)
            raise
        if told is None:
            return await self._lead(key, line, read)
        if isinstance(told, HeadraceError):
            raise copy(told)  # one object raised by many would collect all their tracebacks
        return told[0]

    async def _lead(self, key: K, line: _Line[V], read: Callable[[], Awaitable[V]], *, late: bool = False) -> V:
        told: _Told[V] = None
        try:
            if late:
                await asyncio.sleep(0)  # those before go on first
            value = await read()
            told = (value,)
        except HeadraceError as error:
            told = error
            raise
        finally:
            self._tell(key, line, told)
        return value

    def _tell(self, key: K, line: _Line[V], told: _Told[V]) -> None:
        while line.turns:
            turn = line.turns.popleft()
            if turn.done():  # its caller is gone
                continue
            turn.set_result(told)
            if told is None:
                return
            line.over = True
        if line.over:
            asyncio.get_running_loop().call_soon(self._close, key, line)  # when all of them have gone on
        else:
            self._close(key, line)

    def _close(self, key: K, line: _Line[V]) -> None:
        if self._lines.get(key) is line:
            del self._lines[key]
