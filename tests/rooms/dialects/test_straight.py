"""Asking without a coroutine: what a replica may write, in which pieces, and what becomes of the questions."""

import asyncio
import json
import mmap
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from headrace.dialects.cell import CELL
from headrace.dialects.frames import Frames
from headrace.dialects.framing import ANSWERS, HEAD, READY
from headrace.domain.errors import LimitReached, ReplicaLost
from headrace.domain.question import Answer, Form, Question

OUTPUT = 1 << 20  # bytes of one answer, at most


@dataclass
class Taker:
    """Keeps what it is told, and asks on if it has more to ask."""

    frames: Frames
    timeout: float = 30.0
    batches: list[list[Question]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    error: LimitReached | ReplicaLost | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self) -> bool:
        return self.frames.straight(self.batches.pop(0), self.timeout, self)

    def took(self, answers) -> None:
        self.answers += answers

    def ended(self, error) -> None:
        if error is None and self.batches:
            self.ask()
            return
        self.error = error
        self.over.set()

    async def end(self) -> list[str]:
        async with asyncio.timeout(30):
            await self.over.wait()
        return [answer.error or bytes(answer.outputs[""].body).decode() for answer in self.answers]


class Peer:
    """The replica's end, by hand."""

    def __init__(self, theirs: socket.socket) -> None:
        self._theirs = theirs
        theirs.settimeout(0)
        self._cell: mmap.mmap | None = None

    def write(self, data: bytes) -> None:
        self._theirs.send(data)

    async def write_all(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._theirs, data)

    async def loaded(self) -> None:
        """The LOAD frame, which comes with the cell."""
        head, descriptors, _, _ = socket.recv_fds(self._theirs, HEAD.size, 1)
        await self._read(HEAD.unpack(head)[1])
        self._cell = mmap.mmap(descriptors[0], CELL.size)
        os.close(descriptors[0])

    def begin(self, first: int, together: int) -> None:
        """Says which questions are at work."""
        assert self._cell is not None
        CELL.pack_into(self._cell, 0, first, together, 0, 0)

    async def asked(self) -> tuple[list[Any], bytes]:
        _, length, bodies = HEAD.unpack(await self._read(HEAD.size))
        return json.loads(await self._read(length)), await self._read(bodies)

    async def _read(self, size: int) -> bytes:
        loop, data = asyncio.get_running_loop(), b""
        while len(data) < size:
            data += await loop.sock_recv(self._theirs, size - len(data))
        return data

    def close(self) -> None:
        self._theirs.close()


def frame(*texts: str, kind: int = ANSWERS, size: int | None = None, alone: bool = False) -> bytes:
    """`alone`: the one body is told by its size alone."""
    bodies = [text.encode() for text in texts]
    heads = [[1, 2, 0.5, None, len(one) if alone else [["", len(one)]]] for one in bodies]
    text, data = json.dumps(heads).encode(), b"".join(bodies)
    return HEAD.pack(kind, len(text), len(data) if size is None else size) + text + data


def questions(*texts: str) -> list[Question]:
    return [Question({"": text.encode()}, Form.V2_REST) for text in texts]


@asynccontextmanager
async def talking(unasked: bytes = b"") -> AsyncIterator[tuple[Frames, Peer]]:
    ours, theirs = socket.socketpair()
    frames = Frames(ours, None, OUTPUT)  # type: ignore[arg-type] # nothing goes into a store here
    peer = Peer(theirs)
    ready = b'{"batch_size":4}'
    peer.write(HEAD.pack(READY, len(ready), 0) + ready + unasked)
    await frames.ready(30)
    await peer.loaded()
    try:
        yield frames, peer
    finally:
        frames.close()
        peer.close()


@pytest.fixture
async def talk():
    async with talking() as found:
        yield found


async def test_a_batch_and_the_next_one_from_its_end(talk) -> None:
    frames, peer = talk
    taker = Taker(frames, batches=[questions("a", "b"), questions("c")])
    assert taker.ask()
    heads, data = await peer.asked()
    assert (2, b"ab") == (len(heads), data)
    peer.write(frame("A") + frame("B"))
    assert (1, b"c") == (len((asked := await peer.asked())[0]), asked[1])
    peer.write(frame("C"))

    assert ["A", "B", "C"] == await taker.end()
    assert taker.error is None


async def test_answers_byte_by_byte(talk) -> None:
    frames, peer = talk
    taker = Taker(frames, batches=[questions("a", "b", "c", "d")])
    taker.ask()
    for byte in frame("A", "B") + frame("C" * 1000, "", alone=True):
        peer.write(bytes([byte]))
        await asyncio.sleep(0)

    assert ["A", "B", "C" * 1000, ""] == await taker.end()


async def test_an_answer_that_tells_its_size_alone_is_the_same_answer(talk) -> None:
    frames, peer = talk
    one, other = Taker(frames, batches=[questions("a")]), Taker(frames, batches=[questions("a")])
    for taker, alone in ((one, False), (other, True)):
        taker.ask()
        await peer.asked()
        peer.write(frame('{"a": 1}', alone=alone))
        await taker.end()

    assert one.answers == other.answers
    assert "application/json" == other.answers[0].outputs[""].media_type


async def test_too_large_an_answer_that_tells_its_size_alone(talk) -> None:
    frames, peer = talk
    taker = Taker(frames, batches=[questions("a", "b")])
    taker.ask()
    await peer.asked()
    await peer.write_all(frame("A" * (OUTPUT + 1), "B", alone=True))

    said, good = await taker.end()
    assert (f"its outputs are {OUTPUT + 1} bytes together, the limit is {OUTPUT} bytes", "B") == (said, good)


async def test_large_both_ways(talk) -> None:
    frames, peer = talk
    taker = Taker(frames, batches=[questions("x" * 900_000, "y")])
    taker.ask()
    _, data = await peer.asked()
    assert b"x" * 900_000 + b"y" == data
    answer = frame("X" * 800_000, "Y")
    await peer.write_all(answer)

    assert [800_000, 1] == [len(text) for text in await taker.end()]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 40,
        frame("A", kind=READY),
        frame("A", size=0),
        frame("A", "B", "C"),
        frame(),
        HEAD.pack(ANSWERS, 9 << 20, 0),
        HEAD.pack(ANSWERS, 100, 1 << 50),
        HEAD.pack(ANSWERS, 4, 0) + b"nope",
        HEAD.pack(ANSWERS, 40, 0) + b'[[1, 2, 0.5, null, [], "model", {}, true]]'[:40],
        frame("A", size=0, alone=True),
        HEAD.pack(ANSWERS, 23, 0) + b'[[1, 2, 0.5, "no!", 0]]',
        HEAD.pack(ANSWERS, 22, 0) + b"[[1, 2, 0.5, null,-1]]",
        HEAD.pack(ANSWERS, 22, 0) + b"[[1, 2, 0.5, null,[]]]",
        HEAD.pack(ANSWERS, 37, 2) + b'[[1, 2, 0.5, null,[["", 1],["", 1]]]]AB',
    ],
)
async def test_garbage_ends_it(talk, garbage: bytes) -> None:
    frames, peer = talk
    taker = Taker(frames, batches=[questions("a", "b")])
    taker.ask()
    peer.write(garbage)
    await taker.end()

    assert isinstance(taker.error, ReplicaLost)
    assert "wrote into its connection" in str(taker.error)
    with pytest.raises(ReplicaLost, match="can no longer be asked"):
        Taker(frames, batches=[questions("c")]).ask()


async def test_more_than_was_asked_ends_it_and_what_was_asked_is_good(talk) -> None:
    frames, peer = talk
    taker = Taker(frames, batches=[questions("a")])
    taker.ask()
    peer.write(frame("A") + frame("B"))

    assert ["A"] == await taker.end()
    assert "before it was asked" in str(taker.error)


async def test_what_comes_unasked_ends_it() -> None:
    async with talking(frame("A")) as (frames, _):
        with pytest.raises(ReplicaLost, match="can no longer be asked"):
            Taker(frames, batches=[questions("a")]).ask()


async def test_a_replica_that_ends_in_the_middle(talk) -> None:
    frames, peer = talk
    taker = Taker(frames, batches=[questions("a", "b", "c")])
    taker.ask()
    peer.begin(1, 2)
    peer.write(frame("A"))
    peer.close()

    assert ["A"] == await taker.end()
    assert isinstance(taker.error, ReplicaLost)
    assert (1, 2) == (taker.error.suspect, taker.error.together)


async def test_a_replica_that_is_gone_before(talk) -> None:
    frames, peer = talk
    peer.close()
    taker = Taker(frames, batches=[questions("a")])
    try:
        taker.ask()
    except ReplicaLost:
        return
    await taker.end()
    assert isinstance(taker.error, ReplicaLost)


async def test_an_answer_that_does_not_come(talk) -> None:
    frames, peer = talk
    taker = Taker(frames, timeout=0.05, batches=[questions("a", "b")])
    taker.ask()
    peer.write(frame("A"))

    assert ["A"] == await taker.end()
    assert isinstance(taker.error, LimitReached)
    assert 1 == taker.error.suspect


async def test_a_short_limit_behind_a_long_one_is_kept(talk) -> None:
    frames, peer = talk
    patient, hasty = Taker(frames, batches=[questions("a")]), Taker(frames, timeout=0.05, batches=[questions("b")])
    patient.ask()
    peer.write(frame("A"))
    await patient.end()
    hasty.ask()
    await hasty.end()

    assert isinstance(hasty.error, LimitReached)


async def test_what_cannot_go_straight(talk) -> None:
    frames, _ = talk
    taker = Taker(frames)
    for question in (
        Question({"": b"a"}, Form.FILES),
        Question({"": b"a"}, Form.V2_REST, stream=True),
        Question({"a": b"a"}, Form.V2_REST),
    ):
        assert not frames.straight([question], 1, taker)


async def test_both_ways_in_turns(talk) -> None:
    frames, peer = talk
    for number in range(3):
        taker = Taker(frames, batches=[questions(f"{number}")])
        taker.ask()
        peer.write(frame("S"))
        assert ["S"] == await taker.end()
        await peer.asked()
        running = asyncio.ensure_future(_run(frames, questions("x", "y")))
        await peer.asked()
        peer.write(frame("X", "Y"))
        assert [b"X", b"Y"] == await running


async def _run(frames: Frames, asked: list[Question]) -> list[bytes]:
    return [answer.outputs[""].body async for answer in frames.run(asked, 30)]
