"""What happens first."""

import asyncio

import pytest

from headrace.domain.errors import ModelFailed
from headrace.fleet.first import first


async def say(word: str, after: asyncio.Event) -> str:
    await after.wait()
    return word


async def test_the_first_wins_and_the_others_are_cancelled() -> None:
    never, now = asyncio.Event(), asyncio.Event()
    now.set()

    assert (1, "b") == await first(say("a", never), say("b", now))
    assert 1 == len(asyncio.all_tasks())


async def test_its_error_is_raised_as_it_is() -> None:
    async def fail() -> None:
        raise ModelFailed("broken")

    with pytest.raises(ModelFailed, match="broken"):
        await first(fail(), say("a", asyncio.Event()))


async def test_cancelling_cancels_all() -> None:
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(first(say("a", asyncio.Event()), say("b", asyncio.Event())))
        await asyncio.sleep(0)
        waiting.cancel()

    assert waiting.cancelled()
    assert 1 == len(asyncio.all_tasks())
