"""A model's calls to other models: the harness' end in a thread, ours in the loop, a real socket between."""

import asyncio
import json
import socket
import threading
from contextlib import suppress

import pytest

from headrace.dialects.calls import AT_ONCE, CALL, NOT_ASKED, NOT_TAKEN, TOO_MANY, Calls, Result
from headrace.dialects.framing import frame_start
from headrace.domain.ids import VersionKey
from headrace.runners.harness import calls as theirs

KEY = VersionKey("asks", "1.0.0")
MOST = 10_000  # bytes


class Exchange:
    """Answers with the question's body, as often as its model's name says. "wait" is never answered."""

    def __init__(self):
        self.calls, self.stopped = [], asyncio.Event()
        self.heard, self.left = [], []

    def call(self, call, reply):
        self.calls.append(call)
        if call.asked.model == "closed":
            return None
        task = asyncio.ensure_future(self._answer(call, reply))
        return lambda: (task.cancel(), self.stopped.set())

    def told(self, caller, teller, series):
        self.heard.append((caller, teller, series))

    def gone(self, teller):
        self.left.append(teller)

    async def _answer(self, call, reply):
        if call.asked.model == "wait":
            await asyncio.get_running_loop().create_future()
        count = int(call.asked.model)
        for number in range(count):
            await reply.say(Result(call.question.inputs[""], 2, more=number < count - 1))


class Line:
    def __init__(self, exchange, left=30.0):
        self.exchange, self.left = exchange, left
        self.ours = Calls(KEY, exchange, MOST, lambda: self.left)

    async def __aenter__(self):
        self.end = socket.socket(fileno=self.ours.theirs.detach())
        self.theirs = theirs.Calls(self.end)
        await self.ours.open()
        return self

    async def __aexit__(self, *_):
        self.ours.close()
        with suppress(OSError):
            self.end.shutdown(socket.SHUT_RDWR)
        self.end.close()

    async def ask(self, model, body=b"[]raw", **more):
        """All results, in a thread as models ask."""
        header = {"model": model, "version": "", "json": 2, **more}
        return await asyncio.to_thread(lambda: [(one, bytes(data)) for one, data in self.theirs.ask(header, body)])


async def test_an_answer_and_many():
    async with Line(exchange := Exchange()) as line:
        [(told, body)] = await line.ask("1", sequence="a", start=True)
        assert (b"[]raw", 2, None, False) == (body, told["json"], told["error"], told["more"])
        many = await line.ask("3", b"x" * MOST, stream=True)

    assert [True, True, False] == [told["more"] for told, _ in many]
    call = exchange.calls[0]
    assert (KEY, "a", True) == (call.caller, call.asked.sequence, call.asked.start)
    assert {"json": "2", "model": "1"} == dict(call.question.meta)


async def test_each_caller_gets_its_own_answer():
    async with Line(Exchange()) as line, asyncio.TaskGroup() as group:
        asked = {n: group.create_task(line.ask("2", f"[]{n}".encode(), stream=True)) for n in range(20)}
    for number, task in asked.items():
        assert [f"[]{number}".encode()] * 2 == [body for _, body in task.result()]


async def test_no_more_time_than_there_is():
    async with Line(exchange := Exchange(), left=7.0) as line:
        await line.ask("1")
        await line.ask("1", timeout=2_000_000)
        await line.ask("1", timeout=90_000_000)
    assert [7.0, 2.0, 7.0] == [call.seconds for call in exchange.calls]


async def test_only_while_it_is_asked_itself_but_about_others_always():
    async with Line(exchange := Exchange(), left=None) as line:
        [(told, _)] = await line.ask("1")
        assert (NOT_ASKED, []) == (told["error"], exchange.calls)
        [(about, _)] = await line.ask("1", about=True)
    assert (None, [True]) == (about["error"], [call.asked.about for call in exchange.calls])


@pytest.mark.parametrize("nobody", [None, "closed"])
async def test_where_nobody_takes_calls(nobody):
    async with Line(nobody and Exchange()) as line:
        [(told, _)] = await line.ask("closed")
    assert NOT_TAKEN == told["error"]


async def test_who_leaves_early_is_not_answered_any_more():
    async with Line(exchange := Exchange()) as line:
        answers = line.theirs.ask({"model": "wait", "version": "", "json": 2}, b"[]")
        waiting = threading.Thread(target=_until_gone, args=(answers,))
        waiting.start()
        many = line.theirs.ask({"model": "3", "version": "", "json": 2, "stream": True}, b"[]")
        await asyncio.to_thread(next, many)
        await asyncio.to_thread(many.close)
        line.ours.close()  # the replica ends: so does what it waited for
        async with asyncio.timeout(30):
            await exchange.stopped.wait()
    await asyncio.to_thread(waiting.join)


async def test_too_many_at_once():
    async with Line(Exchange()) as line:
        gone = line.theirs.ask({"model": "wait"}, b"")
        waiting = threading.Thread(target=_until_gone, args=(gone,))
        waiting.start()
        for number in range(1, AT_ONCE):
            line.theirs._send(theirs.CALL, {"id": 1_000 + number, "model": "wait"}, b"", None)  # noqa: SLF001
        async with asyncio.timeout(30):
            while len(line.exchange.calls) < AT_ONCE:
                await asyncio.sleep(0.01)
        [(told, _)] = await line.ask("1")
    await asyncio.to_thread(waiting.join)
    assert TOO_MANY == told["error"]


def _until_gone(answers):
    with pytest.raises(theirs.Gone):
        next(answers)


GARBAGE = [
    b"\x00" * 13,
    theirs.HEAD.pack(theirs.CALL, 1 << 20, 0),
    theirs.HEAD.pack(theirs.CALL, 2, MOST + 1) + b"{}",
    theirs.HEAD.pack(theirs.CALL, 2, 0) + b"{}",
    theirs.HEAD.pack(theirs.CALL, 9, 0) + b'{"id":-1}',
    theirs.HEAD.pack(theirs.CALL, 8, 0) + b'{"id":1\xff',
    2 * (theirs.HEAD.pack(theirs.CALL, len(one := json.dumps({"id": 1, "model": "wait"}).encode()), 0) + one),
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_whoever_sends_anything_else_is_not_heard_any_more(garbage):
    async with Line(exchange := Exchange()) as line:
        line.end.sendall(garbage)
        with pytest.raises(theirs.Gone):
            await line.ask("wait")
    assert len(exchange.calls) <= 2


async def test_who_does_not_read_refusals_is_not_heard_until_it_does():
    count, frame = 100_000, frame_start(CALL, {"id": 1})
    async with Line(None, left=None) as line:
        writing = threading.Thread(target=line.end.sendall, args=(frame * count,))
        writing.start()
        await asyncio.to_thread(writing.join, 1.0)
        held = line.ours._transport.get_write_buffer_size()  # noqa: SLF001
        heard = await asyncio.to_thread(_refusals, line.end, count)
        await asyncio.to_thread(writing.join)
    assert count == heard
    assert held < 3 << 20


def _refusals(end, count):
    heard, begun = 0, b""
    while heard < count and (data := end.recv(1 << 20)):
        heard += (begun + data).count(NOT_ASKED.encode())
        begun = (begun + data)[1 - len(NOT_ASKED) :]
    return heard


async def test_what_a_model_measures_by_itself_until_it_is_gone():
    async with Line(exchange := Exchange(), left=None) as line:
        await asyncio.to_thread(line.theirs.tell, b'[["seen", "counter", "Seen", [["of", "cats"]], 2.5]]')
        async with asyncio.timeout(30):
            while not exchange.heard:
                await asyncio.sleep(0.01)
    [(caller, teller, [one])] = exchange.heard
    assert (KEY, "seen", 2.5) == (caller, one.name, one.value)
    assert teller in exchange.left


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'[["a b", "counter", "", [], 1]]',
        b'[["a", "counter", "", [], 1, [], [1]]]',
        b'[["a", "gauge", "", [], 1, [1.0], []]]',
        b'[["a", "histogram", "", [], 1, [2.0, 1.0], [1, 1, 1]]]',
        b'[["a", "histogram", "", [], 1, [1.0], [1]]]',
        b"[" + b" " * (3 << 20) + b"]",
    ],
)
async def test_who_measures_nonsense_is_not_heard_any_more(body, monkeypatch):
    monkeypatch.setattr("rooms.dialects.test_calls.MOST", 10 << 20)
    async with Line(exchange := Exchange()) as line:
        with suppress(theirs.Gone):
            await asyncio.to_thread(line.theirs.tell, body)
        with pytest.raises(theirs.Gone):
            await line.ask("1")
    assert [] == exchange.heard
