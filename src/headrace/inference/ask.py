"""THE HEART. Jobs, the run test and every later door pass through here, and only here, to a replica.

What it adds to a seat is the same for all: patience for a replica, a time limit for each answer, a plain sentence
when either ends, and the counts that are told as metrics.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Question
from headrace.fleet.routing import Routing, Seat
from headrace.inference.batching import Batching
from headrace.inference.counts import Counts
from headrace.inference.queue import Tell, Ticket
from headrace.inference.sequences import Sequences, Step
from headrace.inference.streams import Streams, Way
from headrace.settings import InferenceSettings
from headrace.telemetry.trace import TRACEPARENT, Tracer

__all__ = ["Ask", "Counts", "Step", "Tell", "Ticket", "only"]


class Ask:
    """`run` is the loop that carries single questions: `one` needs it, `seat` does not."""

    def __init__(
        self, routing: Routing, settings: InferenceSettings | None = None, tracer: Tracer | None = None
    ) -> None:
        self._routing, self._tracer = routing, tracer
        self._counts: defaultdict[VersionKey, Counts] = defaultdict(Counts)
        self._batching = Batching(routing, settings or InferenceSettings(), self._counts)
        self._streams, self._sequences = Streams(), Sequences(routing, settings or InferenceSettings())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._batching.run())
            group.create_task(self._streams.run())

    @property
    def counts(self) -> Mapping[VersionKey, Counts]:
        return self._counts

    @asynccontextmanager
    async def seat(self, key: VersionKey, patience: float) -> AsyncIterator[Seat]:
        """A replica for oneself, for as many questions as one likes: see Seat.run.

        Raises Unavailable when none became free within `patience` seconds, ModelFailed when none can start.
        """
        counts, seat = self._counts[key], None
        try:
            async with self._routing.seat(key, patience) as seat:
                seat.watch = counts.take
                yield seat
        finally:
            if seat is None:
                counts.turned_away += 1
            elif seat.broken and not seat.away:
                counts.broken += 1

    async def one(self, key: VersionKey, question: Question, *, patience: float, timeout: float) -> Answer:
        """One question, together with others that wait. What the model says, also when it says no, is the answer.

        `patience`: seconds until a replica takes it; `timeout`: seconds for each answer of a batch. Raises Unavailable
        (at once when too many wait); LimitReached; ModelFailed when the replica ended while it worked on the question.
        A replica that ended while it worked on another is not the question's fault: then it is asked once more.
        """
        if self._tracer is None:
            return await self._batching.ask(key, question, patience, timeout)
        attributes = {"headrace.model": key.model, "headrace.version": key.version, "headrace.form": question.form}
        with self._tracer.span("ask", question.meta.get(TRACEPARENT, ""), attributes) as span:
            traced = replace(question, meta={**question.meta, TRACEPARENT: span.traceparent})
            answer = await self._batching.ask(key, traced, patience, timeout)
            span.note({"headrace.model_ms": answer.latency, "headrace.error": answer.error or ""})
            return answer

    async def stream(
        self, key: VersionKey, question: Question, *, patience: float, timeout: float, step: Step | None = None
    ) -> AsyncGenerator[Answer, None]:
        """Any number of answers to one question, the last one without `more`: perhaps without outputs.

        Raises as `one` does, also between two answers. Whoever leaves early must close it (aclosing): that stops the
        model's work on the rest.
        """
        way, asked = self._way(key, step, patience), replace(question, stream=True)
        async with aclosing(self._streams.ask(way, asked, self._counts[key], timeout)) as answers:
            async for answer in answers:
                yield answer

    @property
    def traced(self) -> bool:
        """Every question has a span, which `put` does not make."""
        return self._tracer is not None

    def put(self, key: VersionKey, question: Question, *, patience: float, timeout: float, tell: Tell) -> Ticket:
        """As `one`, without a coroutine: `tell` gets the answer, or the error, later. Raises Unavailable at once."""
        return self._batching.put(key, question, patience, timeout, tell)

    def withdraw(self, ticket: Ticket) -> None:
        """Its caller is gone: nothing is told any more."""
        self._batching.withdraw(ticket)

    async def in_sequence(
        self, key: VersionKey, question: Question, step: Step, *, patience: float, timeout: float
    ) -> Answer:
        """One question of a sequence: on the sequence's replica, when those before it are answered. Raises as `one`.

        Also Invalid when that replica has ended, and Conflict when others have a sequence of this name.
        """
        way = self._way(key, step, patience)
        found = [answer async for answer in self._streams.ask(way, question, self._counts[key], timeout)]
        return found[0]

    def _way(self, key: VersionKey, step: Step | None, patience: float) -> Way:
        if step is None:
            return lambda: self._routing.seat(key, patience)
        return lambda: self._sequences.seat(key, step, patience)

    def waiting(self) -> dict[VersionKey, int]:
        """Single questions that no replica has taken yet."""
        return self._batching.waiting()

    def oldest(self) -> float:
        """Seconds that the single question has waited that waits longest."""
        return self._batching.oldest()


async def only(seat: Seat, question: Question, timeout: float) -> Answer:
    """The one answer to one question. Raises as Seat.run does."""
    async with aclosing(seat.run([question], timeout)) as answers:
        found = [answer async for answer in answers]
    return found[0]
