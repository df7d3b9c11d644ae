"""Wait for whatever happens first, and leave nothing running behind."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from headrace.domain.errors import HeadraceError


async def first(*waits: Coroutine[Any, Any, Any]) -> tuple[int, Any]:
    """Index and value of the wait that ended first; the others are cancelled. Raises the HeadraceError it raised."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_outcome(wait)) for wait in waits]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        done = [index for index, task in enumerate(tasks) if task.done() and not task.cancelled()]
        for task in tasks:
            task.cancel()
    value = tasks[done[0]].result()
    if isinstance(value, HeadraceError):
        raise value
    return done[0], value


async def _outcome(wait: Coroutine[Any, Any, Any]) -> Any:
    """As a value, because a TaskGroup would wrap the error in a group."""
    try:
        return await wait
    except HeadraceError as error:
        return error
