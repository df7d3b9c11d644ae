"""One batch on one replica: whose answer comes next, and what is counted of it."""

from collections.abc import Sequence
from time import monotonic

from headrace.domain.clock import now
from headrace.domain.errors import HeadraceError
from headrace.domain.question import Answer
from headrace.fleet.seat import Seat
from headrace.inference.counts import Counts
from headrace.inference.queue import Ticket


class Carrying:
    def __init__(self, counts: Counts, batch: Sequence[Ticket], seat: Seat) -> None:
        self._counts, self._batch = counts, batch
        self._batches = seat.info.batches
        self._handed = handed = monotonic()
        self._answered = 0
        self._infer = 0.0
        self.questions = [ticket.question for ticket in batch]
        self.timeout = max([ticket.timeout for ticket in batch])
        counts.queued += len(batch)
        counts.queue_ns += int(1e9 * (handed * len(batch) - sum([ticket.arrived for ticket in batch])))

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
        latencies = [answer.latency for answer in answers]
        self._infer = max(self._infer, *latencies) if self._batches else self._infer + sum(latencies)
        self._answered = place + len(answers)
        calls = (int(not place and not batch[0].over), 0) if self._batches else (1, 1)
        told = []
        for answer in answers:
            ticket = batch[place]
            place += 1
            if ticket.end(answer):
                told.append(answer)
        self._counts.record_all(told, taken_ns, calls)

    def fail(self, error: HeadraceError) -> None:
        for ticket in self.left:
            self._counts.lost += ticket.fail(error)

    def end(self) -> float:
        """Seconds that it took."""
        seconds = monotonic() - self._handed
        self._counts.last = now()
        self._counts.run(len(self._batch), int(1e9 * seconds), int(1e6 * self._infer))
        return seconds
