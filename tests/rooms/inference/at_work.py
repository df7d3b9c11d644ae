"""A hall whose loop runs."""

import asyncio
from contextlib import asynccontextmanager

from headrace.inference.ask import Ask


@asynccontextmanager
async def at_work(hall: Ask):
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(hall.run())
        try:
            yield hall
        finally:
            loop.cancel()
