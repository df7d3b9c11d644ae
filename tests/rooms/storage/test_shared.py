"""One read for all who ask at the same time, in the order in which they came."""

import asyncio

import pytest

from headrace.domain.errors import NotFound
from headrace.storage.shared import Shared


class Source:
    """Is read when it is told to; says which read it was."""

    def __init__(self):
        self.reads, self.door, self.error = 0, asyncio.Event(), None

    async def read(self):
        self.reads += 1
        number = self.reads
        await self.door.wait()
        if self.error is not None:
            raise self.error
        return number


@pytest.fixture
def shared():
    return Shared()


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def asks(shared, source):
    """Tasks that ask, and who went on so far."""
    went_on = []

    async def ask(name):
        try:
            found = await shared.of("key", source.read)
        finally:
            went_on.append(name)
        return found

    return lambda name: asyncio.ensure_future(ask(name)), went_on


async def turns(count=3):
    for _ in range(count):
        await asyncio.sleep(0)


async def test_all_who_ask_meanwhile_share_one_read_and_keep_their_order(shared, source, asks):
    ask, went_on = asks
    tasks = [ask(number) for number in range(50)]
    await turns()
    source.door.set()

    assert [1] * 50 == await asyncio.gather(*tasks)
    assert [*range(50)] == went_on
    await turns()
    assert "key" not in shared
    assert 2 == await shared.of("key", source.read)


async def test_who_comes_when_it_was_just_read_does_not_pass_those_who_waited(source, asks):
    """Whatever the moment is in which they come."""
    ask, went_on = asks
    for early in range(8):
        went_on.clear()
        source.door.clear()
        tasks = [ask(number) for number in range(5)]
        await turns()
        source.door.set()
        for number in range(5, 5 + early):
            tasks.append(ask(number))
            if number % 2:
                await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert [*range(5 + early)] == went_on


async def test_what_was_foreseen_is_raised_for_all_each_with_an_error_of_its_own(source, asks):
    ask, went_on = asks
    source.error = NotFound("nothing there")
    tasks = [ask(number) for number in range(5)]
    await turns()
    source.door.set()
    errors = await asyncio.gather(*tasks, return_exceptions=True)

    assert {"nothing there"} == {error.message for error in errors}
    assert (5, 1, [*range(5)]) == (len(set(map(id, errors))), source.reads, went_on)


async def test_what_nobody_foresaw_is_not_shared(source, asks):
    ask, went_on = asks
    source.error = ZeroDivisionError()
    tasks = [ask(number) for number in range(5)]
    await turns()
    source.door.set()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert (5, [*range(5)]) == (source.reads, went_on)


async def test_when_the_one_who_reads_leaves_the_next_one_reads(shared, source, asks):
    ask, went_on = asks
    tasks = [ask(number) for number in range(6)]
    await turns()
    for gone in (1, 0, 2):  # the last one while it is about to read
        tasks[gone].cancel()
        await asyncio.sleep(0)
    late = ask(6)
    await turns()
    source.door.set()

    assert 1 == len({*await asyncio.gather(*tasks[3:], late)})
    assert [3, 4, 5, 6] == went_on[3:]
    await turns()
    assert "key" not in shared


async def test_nothing_stays_behind_when_all_leave(shared, asks):
    ask, _ = asks
    tasks = [ask(number) for number in range(3)]
    await turns()
    for one in tasks:
        one.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert "key" not in shared
