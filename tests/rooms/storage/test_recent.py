"""The small memory in front of the database: never older than it may be, never what was changed meanwhile."""

import asyncio

import pytest

from headrace.storage.recent import Recent


class Ticks:
    at = 0.0

    def __call__(self):
        return self.at


def answering(value, asked=None):
    async def read():
        if asked is not None:
            asked.append(value)
        return value

    return read


async def test_what_was_read_lately_is_not_read_again():
    recent, asked = Recent(10, 60), []

    assert [1, 1] == [await recent.of("a", answering(1, asked)), await recent.of("a", answering(2, asked))]
    assert [1] == asked


async def test_what_is_too_old_is_read_again():
    ticks = Ticks()
    recent = Recent(10, 5, ticks)
    await recent.of("a", answering(1))

    ticks.at = 4.9
    assert 1 == await recent.of("a", answering(2))
    ticks.at = 5.0
    assert 2 == await recent.of("a", answering(2))


async def test_what_was_forgotten_is_read_again():
    recent = Recent(10, 60)
    for key in ("a", "b"):
        await recent.of(key, answering(1))

    recent.forget("a")
    assert [2, 1] == [await recent.of("a", answering(2)), await recent.of("b", answering(2))]
    recent.clear()
    assert [3, 3] == [await recent.of("a", answering(3)), await recent.of("b", answering(3))]


async def test_what_was_being_read_while_it_was_forgotten_is_not_kept():
    recent, gate = Recent(10, 60), asyncio.Event()

    async def slow():
        await gate.wait()
        return "old"

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(recent.of("a", slow))
        await asyncio.sleep(0)
        recent.forget("a")
        gate.set()

    assert "old" == reading.result()
    assert "new" == await recent.of("a", answering("new"))


async def test_errors_are_passed_on_and_not_kept():
    recent = Recent(10, 60)

    async def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await recent.of("a", fail)
    assert 1 == await recent.of("a", answering(1))


async def test_it_does_not_grow_for_ever():
    recent, asked = Recent(3, 60), []
    for key in range(10):
        await recent.of(key, answering(key))

    for key in range(10):
        await recent.of(key, answering(key, asked))

    assert len(asked) >= 7
