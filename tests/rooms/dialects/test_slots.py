"""Memory of large requests: who has which, what can be done to it from outside, and when it is given up."""

import asyncio
import fcntl
import mmap
import os
import socket
import struct
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.dialects.lane import PIECE, Lane
from headrace.dialects.slots import PART, WORTH_IT, Lent, Slots
from headrace.domain.body import Slot, size_of, whole

BUDGET = 16 << 20
KEY, OTHER = ("model", "1"), ("model", "2")


def taken(slots: Slots, key: object = KEY, size: int = WORTH_IT) -> Lent:
    slot = slots.take(key, size)
    assert isinstance(slot, Lent)
    return slot


async def test_a_slot_is_a_body() -> None:
    slot = taken(Slots(BUDGET), size=100_001)
    slot.view[:] = b"a" * 100_001

    assert 100_001 == len(slot) == size_of(slot)
    assert b"a" * 100_001 == await whole(slot, None)  # type: ignore[arg-type] # nothing is stored


@pytest.mark.parametrize("size", [0, WORTH_IT - 1, BUDGET // PART + 1, 1 << 50])
async def test_some_sizes_are_not_for_slots(size: int) -> None:
    assert Slots(BUDGET).take(KEY, size) is None


async def test_without_a_budget_there_are_none() -> None:
    assert Slots(0).take(KEY, WORTH_IT) is None


async def test_memory_is_used_again_when_nobody_holds_its_slot() -> None:
    slots = Slots(BUDGET)
    first, second = taken(slots), taken(slots)
    numbers = {first.memory.number, second.memory.number}
    assert 2 == len(numbers)

    del first, second

    again = [taken(slots), taken(slots)]
    assert numbers == {slot.memory.number for slot in again}


async def test_a_slot_may_be_let_go_in_any_thread() -> None:
    slots = Slots(BUDGET)
    holder = [taken(slots)]
    number = holder[0].memory.number

    thread = threading.Thread(target=holder.clear)
    thread.start()
    thread.join()

    assert number == taken(slots).memory.number


async def test_versions_share_nothing() -> None:
    slots = Slots(BUDGET)
    number = taken(slots).memory.number

    assert number != taken(slots, OTHER).memory.number


async def test_one_version_does_not_take_all() -> None:
    slots = Slots(BUDGET)
    held = []
    while (slot := slots.take(KEY, 1 << 20)) is not None:
        held.append(slot)

    assert BUDGET // PART == sum(slot.size for slot in held) == slots.held
    taken(slots, OTHER, 1 << 20)


async def test_what_is_free_makes_room_for_others() -> None:
    slots = Slots(BUDGET)
    for version in range(PART * 2):
        for _ in range(3):
            taken(slots, version, BUDGET // PART)
        assert slots.held <= BUDGET
    taken(slots, 0, WORTH_IT)
    taken(slots, 0, BUDGET // PART)  # the small piece is given up for it


async def test_nothing_is_kept_of_what_nobody_has_used_for_a_while() -> None:
    slots = Slots(BUDGET, idle=0.01)
    slot = taken(slots)
    number, descriptor = slot.memory.number, slot.memory.descriptor
    told: list[int] = []
    slot.memory.readers.add(told.append)
    await asyncio.sleep(0.1)
    assert not told, "it is in use"

    del slot
    async with asyncio.timeout(30):
        while slots.held:
            await asyncio.sleep(0.01)

    assert [number] == told
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)
    assert number != taken(slots).memory.number


async def test_all_that_is_free_is_given_up_at_the_end() -> None:
    slots = Slots(BUDGET)
    slot = taken(slots)
    taken(slots)

    slots.close()

    assert slots.held == slot.memory.size


async def test_whoever_has_the_descriptor_can_only_read() -> None:
    slot = taken(Slots(BUDGET))
    slot.view[:5] = b"right"
    descriptor = os.dup(slot.memory.descriptor)
    size = slot.memory.size

    with pytest.raises(PermissionError):
        mmap.mmap(descriptor, size)
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"wrong", 0)
    for other in (0, 2 * size):
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, other)
    with pytest.raises(PermissionError):
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as there:
        assert b"right" == there[:5]
        with pytest.raises(OSError, match=r"denied|permitted"):
            there.madvise(mmap.MADV_REMOVE)
    with mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY) as own:
        own[:5] = b"wrong"
    os.close(descriptor)
    assert b"right" == slot.view[:5]


def received(there: socket.socket) -> tuple[int, int, int]:
    message, descriptors, _, _ = socket.recv_fds(there, PIECE.size, 1)
    number, size = PIECE.unpack(message)
    return number, size, descriptors[0]


async def test_a_replica_gets_each_piece_once_and_is_told_when_it_is_gone() -> None:
    slots, gone = Slots(BUDGET, idle=0.01), asyncio.Event()
    lane = Lane(KEY, gone.set)
    slot = taken(slots)
    slot.view[:3] = b"abc"

    assert lane.number(slot) == lane.number(slot) == slot.memory.number
    number, size, descriptor = received(lane.theirs)
    lane.theirs.settimeout(0)
    with pytest.raises(BlockingIOError):
        lane.theirs.recv(1)
    assert (slot.memory.number, slot.memory.size) == (number, size)
    with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as there:
        assert b"abc" == there[:3]
    os.close(descriptor)
    assert b"" == lane.forget()

    del slot
    async with asyncio.timeout(30):
        await gone.wait()
    assert b"[%d]" % number == lane.forget()[-3:]
    assert b"" == lane.forget()
    lane.close()


async def test_a_replica_that_takes_no_more_pieces_gets_bytes() -> None:
    slots, lane = Slots(4 << 30), Lane(KEY, lambda: None)
    held = [taken(slots) for _ in range(1_000)]

    numbers = [lane.number(slot) for slot in held]

    assert None in numbers
    assert held[0].memory.number == numbers[0] == lane.number(held[0])
    lane.close()


async def test_other_slots_are_sent() -> None:
    lane = Lane(KEY, lambda: None)
    assert lane.number(Slot(memoryview(bytearray(5)))) is None
    assert lane.number(taken(Slots(BUDGET), OTHER)) is None
    lane.close()


DO = st.tuples(st.sampled_from(["take", "take", "let go"]), st.integers(0, 2), st.integers(0, 5_000_000))


@settings(max_examples=40, deadline=None)
@given(st.lists(DO, max_size=40))
def test_what_was_written_into_a_slot_is_there_as_long_as_it_is_held(steps: list[tuple[str, int, int]]) -> None:
    async def run() -> None:
        slots = Slots(BUDGET)
        held: list[tuple[Lent, bytes]] = []
        slot = None
        for turn, (what, key, number) in enumerate(steps):
            if what == "let go" and held:
                held.pop(number % len(held))
            elif (slot := slots.take(key, WORTH_IT + number)) is not None:
                mark = struct.pack("QQ", turn, number)
                slot.view[:16] = slot.view[-16:] = mark
                assert isinstance(slot, Lent)
                assert slot.memory.key == key
                held.append((slot, mark))
            assert slots.held <= BUDGET
            assert len({slot.memory.number for slot, _ in held}) == len(held)
            for slot, mark in held:
                assert mark == slot.view[:16] == slot.view[-16:]
        slot = None
        held.clear()
        slots.close()
        assert not slots.held

    asyncio.run(run())
