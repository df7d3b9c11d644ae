"""Many questions and their answers over one wire: sends while there is room, reads while there are answers.

One coroutine does both, so neither side can wait for the other for ever, and nobody has to hold a task.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence

from headrace.dialects.cell import Cell
from headrace.dialects.framing import ASK, AnswerHead, Garbage, frame_start, parse_answers, read_start
from headrace.dialects.media import BINARY, JSON, media_type
from headrace.dialects.wire import Wire
from headrace.domain.body import INLINE, PIECE, BlobRef, Body, BodyStore, size_of
from headrace.domain.errors import StorageFailed
from headrace.domain.question import Answer, Form, Output, Question

AT_ONCE = 4 * INLINE  # bytes of bodies of a frame that is read as a whole
LONGEST_ERROR = 4_000  # characters


class Exchange:
    def __init__(self, wire: Wire, cell: Cell, store: BodyStore, max_output: int) -> None:
        self._wire, self._cell, self._store, self._max_output = wire, cell, store, max_output
        self._heads: deque[AnswerHead] = deque()
        self._forms: deque[Form] = deque()  # of the questions without an answer
        self._ready: list[Answer] = []
        self._outgoing: AsyncIterator[bytes] | None = None
        self._asked = self._left = self._before = 0
        self._timeout = self._since = 0.0

    def open(self, questions: Sequence[Question], timeout: float) -> None:
        self._before += self._asked
        self._asked = self._left = len(questions)
        self._forms.extend(question.form for question in questions)
        self._timeout, self._since = timeout, asyncio.get_running_loop().time()
        start, stored = _start(questions)
        if stored:
            self._wire.write(start)
            self._outgoing = self._pieces(questions)
        else:
            self._wire.write(b"".join([start, *(body for body in _bodies(questions) if isinstance(body, bytes))]))

    @property
    def left(self) -> int:
        """Questions without an answer."""
        return self._left

    def suspects(self) -> tuple[int | None, int]:
        """The first question without an answer, and how many from there on the replica has begun; None when none.

        More than one where it works on a batch, and where answers were ready and not yet sent when it ended.
        """
        answered, begun = self._asked - self._left, self._begun()
        return (answered, begun - answered) if begun > answered else (None, 1)

    def _begun(self) -> int:
        """Questions of this exchange that the replica says it has begun; it may lie, but not beyond those asked."""
        first, together = self._cell.read()
        return min(self._asked, first + together - self._before) if together else 0

    async def more(self) -> list[Answer]:
        """The next answers, at least one. Raises Late, Gone, Garbage, StorageFailed."""
        while not self._heads and not self._ready:
            await self._step()
        answers, self._ready = self._ready, []
        if not answers:
            answers.append(await self._streamed(self._heads.popleft()))
        self._left -= len(answers)
        self._since = asyncio.get_running_loop().time()
        return answers

    def _deadline(self) -> float:
        """A replica that batches gets the time of all that it works on together."""
        _, together = self._cell.read()
        return self._since + self._timeout * max(1, min(together, self._left))

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
        self._since = asyncio.get_running_loop().time()  # the model cannot answer what it has not got yet

    async def _read_frame(self) -> None:
        kind, header, bodies = await read_start(self._wire, self._deadline)
        heads = parse_answers(kind, header, bodies, self._left)
        if bodies > AT_ONCE or any(size > INLINE for head in heads for _, size in head.outputs):
            self._heads.extend(heads)
            return
        await self._wire.need(bodies, self._deadline)
        data, start = self._wire.take(bodies), 0
        for head in heads:
            outputs, form = {}, self._next_form(head)
            for name, size in head.outputs:
                body = data[start : start + size]
                start += size
                outputs[name] = Output(body, _media(form, head, name, body))
            self._ready.append(self._answer(head, outputs))

    def _next_form(self, head: AnswerHead) -> Form:
        """The form of the question that is answered next. Raises Garbage when the answer's outputs do not fit it."""
        form = self._forms.popleft()
        if any((name == "") is (form is Form.FILES) for name, _ in head.outputs):
            raise Garbage("an answer there has not the form of its question")
        return form

    def _answer(self, head: AnswerHead, outputs: dict[str, Output]) -> Answer:
        error = head.error
        if head.size > self._max_output:
            error, outputs = f"its outputs are {head.size} bytes together, the limit is {self._max_output} bytes", {}
        return Answer(
            started=head.started,
            ended=head.ended,
            latency=head.latency,
            outputs=outputs,
            error=error if error is None else error[:LONGEST_ERROR],
            fault=head.fault,
            meta=head.meta,
        )

    async def _streamed(self, head: AnswerHead) -> Answer:
        form = self._next_form(head)
        if head.size > self._max_output:
            await self._skip(head.size)
            return self._answer(head, {})
        if form is not Form.FILES:
            return self._answer(head, {"": await self._in_memory(form, head)})
        return self._answer(head, {name: await self._output(name, size) for name, size in head.outputs})

    async def _in_memory(self, form: Form, head: AnswerHead) -> Output:
        """Whoever waits for an answer in this form holds a connection, and gets it from memory."""
        body = b"".join([piece async for piece in self._arriving(head.size)])
        return Output(body, _media(form, head, "", body))

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

    async def _pieces(self, questions: Sequence[Question]) -> AsyncIterator[bytes]:
        small = bytearray()
        for body in _bodies(questions):
            if isinstance(body, bytes):
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


def _media(form: Form, head: AnswerHead, name: str, body: bytes) -> str:
    if form is Form.FILES:
        return media_type(name, body)
    return JSON if form is Form.V2_REST and "json" not in head.meta else BINARY


def _bodies(questions: Sequence[Question]) -> Iterator[Body]:
    for question in questions:
        yield from question.inputs.values()


def _start(questions: Sequence[Question]) -> tuple[bytes, int]:
    """The ASK frame as far as its bodies, and how many bytes of them lie in the store."""
    entries: list[tuple[object, ...]] = []
    total = stored = 0
    for question in questions:
        names = []
        for name, body in question.inputs.items():
            size = size_of(body)
            names.append((name, size))
            total += size
            stored += size if isinstance(body, BlobRef) else 0
        if question.form is Form.FILES:
            entries.append((question.explain, names))
        else:
            entries.append((question.explain, names, question.form, question.meta))
    return frame_start(ASK, entries, total), stored
