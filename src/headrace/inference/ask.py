"""THE HEART. Jobs, the run test and every later door pass through here, and only here, to a replica.

What it adds to a seat is the same for all: patience for a replica, a time limit for each answer, a plain sentence
when either ends, and the counts that are told as metrics.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from time import monotonic

import msgspec

from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Form, Question
from headrace.fleet.routing import Routing, Seat
from headrace.inference.batching import Batching
from headrace.inference.counts import Counts
from headrace.inference.events import Events
from headrace.inference.queue import Tell, Ticket
from headrace.inference.sequences import Sequences, Step
from headrace.inference.streams import Streams, Way
from headrace.settings import InferenceSettings
from headrace.telemetry.trace import TRACEPARENT, Span, Tracer

FAILURE = 500  # of HTTP's statuses, the first one that is not the caller's mistake

__all__ = ["Ask", "Counts", "Step", "Tell", "Ticket", "only"]


class Ask:
    """`run` is the loop that carries single questions: `one` needs it, `seat` does not."""

    def __init__(
        self,
        routing: Routing,
        settings: InferenceSettings | None = None,
        tracer: Tracer | None = None,
        events: Events | None = None,
    ) -> None:
        self._routing, self._tracer, self.events = routing, tracer, events
        self.watched = tracer is not None or events is not None  # questions have spans or events: `put` makes none
        self._counts: defaultdict[VersionKey, Counts] = defaultdict(Counts)
        self._batching = Batching(routing, settings or InferenceSettings(), self._counts)
        self._streams, self._sequences = Streams(), Sequences(routing, settings or InferenceSettings())

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._batching.run())
            group.create_task(self._streams.run())
            if self.events is not None:
                group.create_task(self.events.run())

    async def close(self) -> None:
        """When nothing is asked any more."""
        if self.events is not None:
            await self.events.close()

    @property
    def counts(self) -> Mapping[VersionKey, Counts]:
        return self._counts

    @asynccontextmanager
    async def seat(self, key: VersionKey, patience: float) -> AsyncIterator[Seat]:
        """A replica for oneself, for as many questions as one likes: see Seat.run.

        Raises Unavailable when none became free within `patience` seconds, ModelFailed when none can start.
        """
        counts, seat, begun = self._counts[key], None, monotonic()
        try:
            async with self._routing.seat(key, patience) as seat:
                seat.watch = counts.take
                yield seat
        finally:
            if seat is None:
                counts.turn_away(monotonic() - begun)
            elif seat.broken and not seat.away:
                counts.broken += 1

    async def one(self, key: VersionKey, question: Question, *, patience: float, timeout: float) -> Answer:
        """One question, together with others that wait. What the model says, also when it says no, is the answer.

        `patience`: seconds until a replica takes it; `timeout`: seconds for each answer of a batch. Raises Unavailable
        (at once when too many wait); LimitReached; ModelFailed when the replica ended while it worked on the question.
        A replica that ended while it worked on another is not the question's fault: then it is asked once more.
        """
        if self.events is None:
            return await self._one(key, question, patience, timeout)
        with self.events.around(key, question) as say:
            answer = await self._one(key, question, patience, timeout)
            say(answer)
            return answer

    async def _one(self, key: VersionKey, question: Question, patience: float, timeout: float) -> Answer:
        tracer = self._tracer_for(key, question)
        if tracer is None:
            return await self._batching.ask(key, question, patience, timeout)
        with tracer.span("ask", question.meta.get(TRACEPARENT, ""), _attributes(key, question)) as span:
            traced = msgspec.structs.replace(question, meta={**question.meta, TRACEPARENT: span.traceparent})
            answer = await self._batching.ask(key, traced, patience, timeout)
            span.note({"headrace.model_ms": answer.latency})
            _note_error(span, answer)
            return answer

    async def stream(
        self, key: VersionKey, question: Question, *, patience: float, timeout: float, step: Step | None = None
    ) -> AsyncGenerator[Answer, None]:
        """Any number of answers to one question, the last one without `more`: perhaps without outputs.

        Raises as `one` does, also between two answers. Whoever leaves early must close it (aclosing): that stops the
        model's work on the rest.
        """
        way = self._way(key, step, patience)
        with self._shown(key, question) as say, self._traced("stream", key, question) as (asked, note):
            streamed = msgspec.structs.replace(asked, stream=True)
            async with aclosing(self._streams.ask(way, streamed, self._counts[key], timeout)) as answers:
                async for answer in answers:
                    note(answer)
                    say(answer)
                    yield answer

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
        with self._shown(key, question) as say, self._traced("sequence", key, question) as (asked, note):
            found = [answer async for answer in self._streams.ask(way, asked, self._counts[key], timeout)]
            note(found[0])
            say(found[0])
        return found[0]

    @contextmanager
    def _shown(self, key: VersionKey, question: Question) -> Iterator[Callable[[Answer], None]]:
        """The question and its answers as events, where somebody wants them. A request of HTTP's is no inference."""
        if self.events is None or question.form is Form.HTTP:
            yield _unnoted
            return
        with self.events.around(key, question) as say:
            yield say

    @contextmanager
    def _traced(
        self, name: str, key: VersionKey, question: Question
    ) -> Iterator[tuple[Question, Callable[[Answer], None]]]:
        """The question with a span around it, where there are spans, and who notes its answers there."""
        tracer = self._tracer_for(key, question)
        if tracer is None:
            yield question, _unnoted
            return
        with tracer.aside(name, question.meta.get(TRACEPARENT, ""), _attributes(key, question)) as span:
            said = _Said(span)
            yield msgspec.structs.replace(question, meta={**question.meta, TRACEPARENT: span.traceparent}), said.note

    def _tracer_for(self, key: VersionKey, question: Question) -> Tracer | None:
        """None where this question gets no span."""
        tracer = self._tracer
        wanted = tracer is not None and tracer.sampling.wants(key.model, question.meta.get(TRACEPARENT, ""))
        return tracer if wanted else None

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


class _Said:
    """What the answers to one question come to, on its span."""

    def __init__(self, span: Span) -> None:
        self._span, self._count, self._latency = span, 0, 0.0

    def note(self, answer: Answer) -> None:
        self._latency += answer.latency
        self._count += bool(answer.outputs)
        if not answer.more:
            self._span.note({"headrace.model_ms": self._latency, "headrace.answers": self._count})
            _note_error(self._span, answer)


def _note_error(span: Span, answer: Answer) -> None:
    span.note({"headrace.error": answer.error or ""})
    if answer.error is not None and answer.status >= FAILURE:
        span.fail(answer.error)


def _attributes(key: VersionKey, question: Question) -> dict[str, str | int | float]:
    return {"headrace.model": key.model, "headrace.version": key.version, "headrace.form": question.form}


def _unnoted(_answer: Answer) -> None:
    pass


async def only(seat: Seat, question: Question, timeout: float) -> Answer:
    """The one answer to one question. Raises as Seat.run does."""
    async with aclosing(seat.run([question], timeout)) as answers:
        found = [answer async for answer in answers]
    return found[0]
