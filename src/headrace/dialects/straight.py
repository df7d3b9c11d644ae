"""Asking without a coroutine: questions are written at once, and answers told from the very call that brings them.

Only for questions whose bodies are in memory both ways. One timer for each replica, which rings when the answer that is
due may be late, and not for each question: most of the time it finds that the answer has come.
"""

import asyncio
import logging
from collections.abc import Sequence

from headrace.dialects.asking import frame_of
from headrace.dialects.dialect import Taker
from headrace.dialects.framing import ANSWERS, HEAD, LONGEST_HEADER, Garbage, parse_answers
from headrace.dialects.lane import Lane
from headrace.dialects.ledger import Ledger
from headrace.dialects.wire import Gone, Late, Wire
from headrace.domain.body import Slot
from headrace.domain.question import Answer, Form, Question

COPIED = 64 * 1024  # bytes of bodies that are copied together for one write
SLACK = 1 << 20  # bytes that a frame may have beyond its largest answer

_FILES, _IN_MEMORY = Form.FILES, (bytes, Slot)  # looked at for every question

logger = logging.getLogger(__name__)


def may_go_straight(questions: Sequence[Question]) -> bool:
    """One body each, in memory, and one answer."""
    for question in questions:
        if question.form is _FILES or question.stream or not isinstance(question.inputs.get(""), _IN_MEMORY):
            return False
    return True


class Line:
    """Over the wire and the ledger of one replica. One taker at a time."""

    def __init__(self, wire: Wire, ledger: Ledger, lane: Lane, max_output: int) -> None:
        self._wire, self._ledger, self._lane, self._largest = wire, ledger, lane, max_output + SLACK
        self._loop = asyncio.get_running_loop()
        self._taker: Taker | None = None
        self._pieces: list[bytes] = []  # of a frame that is not whole
        self._have = self._want = 0  # bytes of it that are here, and with which it can be read on
        self._watch: asyncio.TimerHandle | None = None
        self._unsent = 0
        self._questions: Sequence[Question] = ()  # while the replica may read what they lie in
        self.spoilt = False  # an exchange did not come to its end

    def ask(self, questions: Sequence[Question], timeout: float, taker: Taker) -> None:
        """Raises Gone."""
        self._ledger.open(questions, timeout, self._loop.time())
        frame = frame_of(questions, self._lane)
        parts = [frame.start, *frame.bodies]
        if frame.size <= COPIED:
            self._wire.write(b"".join(parts))  # type: ignore[arg-type] # nothing is stored: see may_go_straight
        else:
            self._wire.write_all(parts)  # type: ignore[arg-type]
        self._taker, self._questions = taker, questions
        self._wire.listen(self)
        self._set_clock(self._ledger.soonest)

    def arrived(self, data: bytes) -> None:
        if self._have:
            self._pieces.append(data)
            self._have += len(data)
            if self._have < self._want:
                return
            data = b"".join(self._pieces)
            self._pieces, self._have = [], 0
        try:
            self._read(data)
        except Garbage as error:
            self._end(error)
        except Exception:
            logger.exception("what a replica wrote could not be read")
            self._end(Garbage("what it wrote there could not be read"))

    def lost(self) -> None:
        self._end(Gone())

    def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    def _read(self, data: bytes) -> None:
        """Every whole frame in it. Raises Garbage."""
        at, size = 0, len(data)
        while self._taker is not None and at < size:
            end, answers = self._frame(data, at, size)
            if answers is None:
                self._pieces, self._have, self._want = [data[at:] if at else data], size - at, end - at
                return
            at = end
            self._tell(self._taker, answers, rest=size - at)

    def _frame(self, data: bytes, at: int, size: int) -> tuple[int, list[Answer] | None]:
        """The answers of the frame that begins there, and where it ends; None when more of it has to come first."""
        body = at + HEAD.size
        if size < body:
            return body, None
        kind, length, bodies = HEAD.unpack_from(data, at)
        if kind != ANSWERS or length > LONGEST_HEADER or bodies > self._largest:
            raise Garbage("what it wrote there is not an answer")
        start = body + length
        if size < start + bodies:
            return start + bodies, None
        heads = parse_answers(kind, data[body:start], bodies, self._ledger.left)
        return start + bodies, self._ledger.inline(heads, data, start)

    def _tell(self, taker: Taker, answers: list[Answer], rest: int) -> None:
        ledger = self._ledger
        ledger.left -= len(answers)
        ledger.moved(self._loop.time())
        taker.took(answers)
        if not ledger.left:
            self._end(Garbage("it wrote an answer there before it was asked") if rest else None)

    def _end(self, why: Late | Gone | Garbage | None) -> None:
        taker, self._taker, self._questions = self._taker, None, ()
        self.spoilt = why is not None
        self._wire.listen(None)
        if taker is not None:
            taker.ended(None if why is None else self._ledger.blame(why))

    # the clock

    def _set_clock(self, due: float) -> None:
        if self._watch is not None:
            if self._watch.when() <= due:
                return
            self._watch.cancel()
        self._watch = self._loop.call_at(due, self._ring)

    def _ring(self) -> None:
        self._watch = None
        if self._taker is None:
            return
        unsent, before = self._wire.unsent, self._unsent
        self._unsent = unsent
        if unsent and unsent != before:  # the model cannot answer what it has not got yet
            self._ledger.moved(self._loop.time())
        if self._ledger.deadline <= self._loop.time():
            self._end(Late())
        else:
            self._set_clock(self._ledger.deadline)
