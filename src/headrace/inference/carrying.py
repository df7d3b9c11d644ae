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
        self._handed = self.moved = handed = monotonic()
        self._answered, self._ours = 0, len(batch)  # how many have their answer, and how many nobody else was given too
        self.questions: list[Question] = [ticket.question for ticket in batch]
        waited, timeout = 0.0, batch[0].timeout
        for ticket in batch:
            waited += handed - ticket.arrived
            if ticket.timeout != timeout:  # with most it is the version's
                timeout = max(timeout, ticket.timeout)
        self.timeout = timeout
        counts.queued += len(batch)
        counts.queue_ns += int(1e9 * waited)

    def __len__(self) -> int:
        return len(self._batch)

    @property
    def left(self) -> Sequence[Ticket]:
        """Those without an answer, that wait for nobody else's either."""
        return self._batch[self._answered : max(self._answered, self._ours)]

    def spare(self) -> Sequence[Ticket]:
        """Those that its replica, which runs one after the other, has not begun. They are left to others, too."""
        spared, self._ours = self.left[1:], min(self._ours, self._answered + 1)
        return [ticket for ticket in spared if not ticket.over]

    def take(self, answers: Sequence[Answer]) -> None:
        """The next ones, in order."""
        batch, place = self._batch, self._answered
        self.moved = monotonic()
        taken_ns = int(1e9 * (self.moved - self._handed))
        self._answered = place + len(answers)
        told = []
        for answer in answers:
            ticket = batch[place]
            place += 1
            if ticket.end(answer):
                told.append(answer)
            elif self._ran.together:  # a part of what the others waited for
                self._ran.share(answer.meta.get("call", ""), 1, answer.latency)
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
