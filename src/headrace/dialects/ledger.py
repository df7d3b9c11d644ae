"""What a replica was asked and has not answered yet: whose turn it is, how long it may take, who is to blame."""

from collections import deque
from collections.abc import Mapping, Sequence

from headrace.dialects.cell import Cell
from headrace.dialects.framing import AnswerHead, Garbage
from headrace.dialects.media import BINARY, JSON, media_type
from headrace.dialects.wire import Gone, Late
from headrace.domain.errors import LimitReached, ReplicaLost
from headrace.domain.question import Answer, Form, Output, Question

LONGEST_ERROR = 4_000  # characters
_FILES, _REST = Form.FILES, Form.V2_REST  # looked at for every answer
UNDER_WAY = "the model wrote into its connection to the server"


class Ledger:
    """Of one replica, exchange after exchange. Times are the loop's."""

    def __init__(self, cell: Cell, max_output: int) -> None:
        self._cell, self._max_output = cell, max_output
        self._forms: deque[Form] = deque()  # of the questions without an answer
        self._asked = self._before = 0  # in this exchange, and in all before it
        self._timeout = self._since = 0.0
        self._stream = False  # one question with any number of answers
        self.left = 0  # questions without their last answer

    def open(self, questions: Sequence[Question], timeout: float, at: float) -> None:
        """Another exchange begins."""
        self._before += self._asked
        self._asked = self.left = len(questions)
        self._forms.extend([question.form for question in questions])
        self._stream = bool(questions) and questions[0].stream
        self._timeout, self._since = timeout, at

    def moved(self, at: float) -> None:
        """Something came, or went: the time for the next answer begins anew."""
        self._since = at

    @property
    def soonest(self) -> float:
        """Before this it is not late, whatever it works on."""
        return self._since + self._timeout

    @property
    def deadline(self) -> float:
        """A replica that batches gets the time of all that it works on together."""
        _, together = self._cell.read()
        return self._since + self._timeout * max(1, min(together, self.left))

    def refuse(self) -> None:
        """Nobody wants the rest of a stream: the harness will end it soon."""
        self._cell.refuse(self._before)

    def given(self, count: int) -> None:
        """So many answers of a stream have been taken: the harness may be a few ahead."""
        self._cell.took(count)

    def blame(self, why: Late | Gone | Garbage | OSError) -> LimitReached | ReplicaLost:
        """The end of an exchange before its last answer, as its caller is told."""
        suspect, together = self._suspects()
        if isinstance(why, Late):
            first = self._asked - self.left if suspect is None else suspect
            late = f"the model did not answer within {self._timeout:g} s (timeout.run)"
            return LimitReached(late, suspect=first, together=together)
        said = f"{UNDER_WAY}: {why}" if isinstance(why, Garbage) else "the replica ended before it had answered"
        return ReplicaLost(said, suspect=suspect, together=together)

    def _suspects(self) -> tuple[int | None, int]:
        """The first question without an answer, and how many from there on the replica has begun; None when none.

        More than one where it works on a batch, and where answers were ready and not yet sent when it ended.
        """
        answered, begun = self._asked - self.left, self._begun()
        return (answered, begun - answered) if begun > answered else (None, 1)

    def _begun(self) -> int:
        """Questions of this exchange that the replica says it has begun; it may lie, but not beyond those asked."""
        first, together = self._cell.read()
        return min(self._asked, first + together - self._before) if together else 0

    def next_form(self, head: AnswerHead) -> Form:
        """The form of the question that is answered next. Raises Garbage when the answer's outputs do not fit it."""
        if head.more and not self._stream:
            raise Garbage("there are several answers to a question that has one")
        form = self._forms[0] if head.more else self._forms.popleft()
        files = form is Form.FILES
        whole = files or self._stream or head.error is not None or len(head.named) == 1
        if not whole or any((name == "") is files for name, _ in head.named):
            raise Garbage("an answer there has not the form of its question")
        return form

    def inline(self, heads: Sequence[AnswerHead], data: bytes, start: int) -> list[Answer]:
        """The next answers, whose outputs lie in `data` from `start` on. Raises Garbage."""
        answers = []
        forms, largest, stream = self._forms, self._max_output, self._stream
        for head in heads:
            size = head.outputs
            if type(size) is not int or stream or size > largest or head.more or forms[0] is _FILES:
                answer, start = self._any(head, data, start)
                answers.append(answer)
                continue
            end, meta = start + size, head.meta
            media = JSON if forms.popleft() is _REST and "json" not in meta else BINARY
            outputs = {"": Output(data[start:end], media)}
            answers.append(Answer(head.started, head.ended, head.latency, outputs, None, head.fault, meta))
            start = end
        return answers

    def _any(self, head: AnswerHead, data: bytes, start: int) -> tuple[Answer, int]:
        form, outputs, first = self.next_form(head), {}, start
        for name, size in head.named:
            body = data[start : start + size]
            start += size
            outputs[name] = Output(body, media_of(form, head, name, body))
        return self.answer(head, outputs, start - first), start

    def answer(self, head: AnswerHead, outputs: Mapping[str, Output], size: int) -> Answer:
        """`size`: of its outputs together."""
        error = head.error
        if size > self._max_output:
            error, outputs = f"its outputs are {size} bytes together, the limit is {self._max_output} bytes", {}
        return Answer(
            head.started,
            head.ended,
            head.latency,
            outputs,
            error if error is None else error[:LONGEST_ERROR],
            head.fault,
            head.meta,
            head.more,
        )


def media_of(form: Form, head: AnswerHead, name: str, body: bytes) -> str:
    if form is Form.FILES:
        return media_type(name, body)
    return JSON if form is Form.V2_REST and "json" not in head.meta else BINARY
