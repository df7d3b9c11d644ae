"""One batch on one replica: whose answer comes next, and what is counted of it."""

from collections.abc import Sequence
from time import monotonic

from headrace.domain.errors import HeadraceError
from headrace.domain.question import Answer, Question
from headrace.fleet.seat import Seat
from headrace.inference.counts import Counts, Ran
from headrace.inference.queue import Ticket


class Carrying:
    def __init__(self, counts: Counts, batch: Sequence[Ticket], seat: Seat) -> None:
        self._counts, self._batch = counts, batch
        self._ran = Ran(together=seat.info.batches)
        self._handed = handed = monotonic()
        self._answered = 0
        self.questions: list[Question] = []
        timeout = waited = 0.0
        for ticket in batch:
            self.questions.append(ticket.question)
            waited += handed - ticket.arrived
            timeout = max(timeout, ticket.timeout)
        self.timeout = timeout
        counts.queued += len(batch)
        counts.queue_ns += int(1e9 * waited)

    def __len__(self) -> int:
        return len(self._batch)

    @property
    def left(self) -> Sequence[Ticket]:
        """Those without an answer."""
        return self._batch[self._answered :]

    def take(self, answers: Sequence[Answer]) -> None:
        """The next ones, in order."""
        batch, place = self._batch, self._answered
        taken_ns = int(1e9 * (monotonic() - self._handed))
        self._answered = place + len(answers)
        told = []
        for answer in answers:
            ticket = batch[place]
            place += 1
            if ticket.end(answer):
                told.append(answer)
        self._counts.record_all(told, taken_ns, self._ran)

    def fail(self, error: HeadraceError) -> None:
        """Those without an answer: it has ended before they had one."""
        at = monotonic()
        for ticket in self.left:
            if ticket.fail(error):
                self._counts.lose(at - ticket.arrived)
        self.end()

    def end(self) -> float:
        """No more answers come. Seconds that it took."""
        seconds = monotonic() - self._handed
        self._counts.ran(self._ran, int(1e9 * seconds))
        return seconds
