"""One batch on one replica: whose answer comes next, and what is counted of it."""

import logging
from collections.abc import Sequence
from time import monotonic

from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.clock import now
from headrace.domain.errors import HeadraceError
from headrace.domain.question import Answer
from headrace.fleet.seat import Seat
from headrace.inference.counts import Counts
from headrace.inference.queue import Ticket

logger = logging.getLogger(__name__)


class Carrying:
    def __init__(self, counts: Counts, batch: Sequence[Ticket], seat: Seat) -> None:
        self._counts, self._batch = counts, batch
        self._batches = _batches(seat.info)
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
        taken_ns = int(1e9 * (monotonic() - self._handed))
        for answer in answers:
            place = self._answered
            ticket = self._batch[place]
            self._answered = place + 1
            self._infer = max(self._infer, answer.latency) if self._batches else self._infer + answer.latency
            if ticket.over:  # its caller is gone
                continue
            ticket.over = True
            self._counts.record(answer, taken_ns, int(not place or not self._batches))
            try:
                ticket.tell(answer)
            except Exception:  # one caller's accident must not cost the others their answers
                logger.exception("an answer of %s could not be handed on", ticket.queue.key)

    def fail(self, error: HeadraceError) -> None:
        for ticket in self.left:
            self._counts.lost += ticket.fail(error)

    def end(self) -> float:
        """Seconds that it took."""
        seconds = monotonic() - self._handed
        self._counts.last = now()
        self._counts.run(len(self._batch), int(1e9 * seconds), int(1e6 * self._infer))
        return seconds


def _batches(info: ReplicaInfo) -> bool:
    return info.batch_size > 1 or (info.tensors is not None and info.tensors.max_batch_size > 1)
