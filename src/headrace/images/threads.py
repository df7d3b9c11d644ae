"""Work of a thread that ends when nobody waits for it any more."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def stoppable(work: Callable[[threading.Event], T]) -> T:
    """A caller who stops waiting sets the event, and goes when the work has seen it."""
    stop = threading.Event()
    future = asyncio.get_running_loop().run_in_executor(None, work, stop)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop.set()
        with suppress(Exception):
            await future
        raise
