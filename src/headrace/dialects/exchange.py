"""Many questions and their answers over one wire: sends while there is room, reads while there are answers.

One coroutine does both, so neither side can wait for the other for ever, and nobody has to hold a task.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from headrace.dialects.asking import frame_of
from headrace.dialects.framing import AnswerHead, parse_answers, read_start
from headrace.dialects.lane import Lane
from headrace.dialects.ledger import Ledger, media_of
from headrace.dialects.media import media_type
from headrace.dialects.wire import Wire
from headrace.domain.body import INLINE, PIECE, BlobRef, Body, BodyStore
from headrace.domain.errors import StorageFailed
from headrace.domain.question import Answer, Form, Output, Question

AT_ONCE = 4 * INLINE  # bytes of bodies of a frame that is read as a whole


class Exchange:
    def __init__(self, wire: Wire, ledger: Ledger, store: BodyStore, max_output: int) -> None:
        self._wire, self._ledger, self._store, self._max_output = wire, ledger, store, max_output
        self._heads: deque[AnswerHead] = deque()
        self._ready: list[Answer] = []
        self._outgoing: AsyncIterator[bytes] | None = None
        self._stream, self._given = False, 0  # one question with any number of answers, and how many were given

    def open(self, questions: Sequence[Question], timeout: float, lane: Lane) -> None:
        """The ledger's exchange has begun. Raises Gone."""
        self._ledger.open(questions, timeout, asyncio.get_running_loop().time())
        self._stream = bool(questions) and questions[0].stream
        frame = frame_of(questions, lane)
        if frame.stored:
            self._wire.write(frame.start)
            self._outgoing = self._pieces(frame.bodies)
        else:
            self._wire.write(b"".join([frame.start, *(body for body in frame.bodies if not isinstance(body, BlobRef))]))

    async def more(self) -> list[Answer]:
        """The next answers, at least one. Raises Late, Gone, Garbage, StorageFailed."""
        if self._stream:
            self._ledger.given(self._given)
            self._moved()  # the model waited for whoever reads
        while not self._heads and not self._ready:
            await self._step()
        answers, self._ready = self._ready, []
        if not answers:
            answers.append(await self._streamed(self._heads.popleft()))
        self._ledger.left -= sum([not answer.more for answer in answers])
        self._given += len(answers)
        self._moved()
        return answers

    def _deadline(self) -> float:
        return self._ledger.deadline

    def _moved(self) -> None:
        self._ledger.moved(asyncio.get_running_loop().time())

    async def _step(self) -> None:
        if len(self._wire):
            await self._read_frame()
        elif self._outgoing is not None and self._wire.may_write:
            await self._send_piece(self._outgoing)
        else:
            await self._wire.news(self._deadline)

    async def _send_piece(self, outgoing: AsyncIterator[bytes]) -> None:
        try:
            self._wire.write(await anext(outgoing))
        except StopAsyncIteration:
            self._outgoing = None
        self._moved()  # the model cannot answer what it has not got yet

    async def _read_frame(self) -> None:
        kind, header, bodies = await read_start(self._wire, self._deadline)
        heads = parse_answers(kind, header, bodies, self._ledger.left)
        if bodies > AT_ONCE or any(size > INLINE for head in heads for _, size in head.named):
            self._heads.extend(heads)
            return
        await self._wire.need(bodies, self._deadline)
        self._ready += self._ledger.inline(heads, self._wire.take(bodies), 0)

    async def _streamed(self, head: AnswerHead) -> Answer:
        form, size = self._ledger.next_form(head), head.size
        outputs: dict[str, Output] = {}
        if size > self._max_output:
            await self._skip(size)
        elif form is Form.FILES:
            outputs = {name: await self._output(name, one) for name, one in head.named}
        elif head.outputs != []:
            outputs = {"": await self._in_memory(form, head)}
        return self._ledger.answer(head, outputs, size)

    async def _in_memory(self, form: Form, head: AnswerHead) -> Output:
        """Whoever waits for an answer in this form holds a connection, and gets it from memory."""
        body = b"".join([piece async for piece in self._arriving(head.size)])
        return Output(body, media_of(form, head, "", body))

    async def _output(self, name: str, size: int) -> Output:
        if size <= INLINE:
            await self._wire.need(size, self._deadline)
            body = self._wire.take(size)
            return Output(body, media_type(name, body))
        await self._wire.need(INLINE, self._deadline)
        media = media_type(name, self._wire.peek(INLINE), whole=False)
        return Output(await self._store.put(self._arriving(size), size), media)

    async def _arriving(self, size: int) -> AsyncIterator[bytes]:
        while size:
            await self._wire.need(1, self._deadline)
            piece = self._wire.take(min(size, PIECE))
            size -= len(piece)
            yield piece

    async def _skip(self, size: int) -> None:
        async for _ in self._arriving(size):
            pass

    async def _pieces(self, bodies: Sequence[Body | memoryview]) -> AsyncIterator[bytes]:
        small = bytearray()
        for body in bodies:
            if not isinstance(body, BlobRef):
                small += body
            if small and (len(small) > PIECE or isinstance(body, BlobRef)):
                yield bytes(small)
                small.clear()
            if isinstance(body, BlobRef):
                async for piece in self._blob(body):
                    yield piece
        yield bytes(small)

    async def _blob(self, ref: BlobRef) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._store.pieces(ref):
            size += len(piece)
            yield piece
        if size != ref.size:
            raise StorageFailed(f"the stored body {ref.digest} has {size} bytes and should have {ref.size}")
