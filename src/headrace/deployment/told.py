"""Percentages from threads, on their way into a version's step."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from headrace.deployment.steps import Progress
from headrace.fleet.first import first

T = TypeVar("T")


class Told:
    """One part of a step: `begin` to `end` percent of the whole, told by 0 to 100 of its own."""

    def __init__(self, progress: Progress, number: int, name: str, begin: int, end: int) -> None:
        self._progress, self._number, self._name = progress, number, name
        self._begin, self._end = begin, end
        self._loop = asyncio.get_running_loop()
        self._news, self._latest = asyncio.Event(), 0

    def report(self, percentage: float) -> None:
        """From any thread."""
        self._latest = max(0, min(100, int(percentage)))
        self._loop.call_soon_threadsafe(self._news.set)

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """The work's own outcome."""
        await self._progress.tell(self._number, self._name, self._begin)
        _, found = await first(work, self._follow())
        return found  # type: ignore[no-any-return]

    async def _follow(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            share = self._latest * (self._end - self._begin) // 100
            await self._progress.tell(self._number, self._name, self._begin + share)
