"""What was asked of a version since the server started, in plain integers: the doors and /metrics render them.

The words are those of the protocol's statistics extension (contracts/oip.md, A16): a request is queued until a replica
takes it, then its input is carried and decoded, the model computes, and its output is encoded and carried back. The
program beside the model tells by the answer's meta what only it knows: `rows` (elements of the batch dimension),
`calls` (1 for the first answer of a model call, 0 for those that shared it), `input_ns` and `output_ns`.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from headrace.domain.clock import Millis, now
from headrace.domain.question import Answer

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)  # seconds
PLACES = 1_000  # of answers in a stream
LONGEST = 18  # digits of a number in the meta


@dataclass(frozen=True, slots=True)
class Span:
    """How often, and how long together."""

    count: int
    ns: int


@dataclass(slots=True)
class Batch:
    """Runs of one size."""

    count: int = 0
    input_ns: int = 0
    infer_ns: int = 0
    output_ns: int = 0


@dataclass(slots=True)
class Place:
    """Answers that came in the same place of their streams: the first ones, the second ones, and so on."""

    success: int = 0
    fail: int = 0
    empty: int = 0  # the end of a stream, without outputs
    ns: int = 0  # in the model


@dataclass(slots=True)
class Counts:
    """Of one version, since the server started."""

    answers: int = 0  # with outputs
    errors: int = 0  # answers in which the model said why not
    lost: int = 0  # questions without an answer: too slow, or their replica ended
    broken: int = 0  # replicas that had to be ended: too slow, lost, or left by their caller
    turned_away: int = 0  # callers who got no replica in time, or no place in the queue
    canceled: int = 0  # callers who left before they had their answer
    hits: int = 0  # answers that were kept from before
    hit_ns: int = 0  # until they were found
    missed: int = 0  # questions whose answer might have been kept, and was not
    miss_ns: int = 0
    latency: float = 0.0  # milliseconds inside the model, sum
    rows: int = 0  # Triton's inference_count
    calls: int = 0  # Triton's execution_count
    last: Millis = 0  # when the last answer came
    success_ns: int = 0
    fail_ns: int = 0
    queued: int = 0
    queue_ns: int = 0
    input_ns: int = 0
    infer_ns: int = 0
    output_ns: int = 0
    batches: dict[int, Batch] = field(default_factory=dict)
    places: list[Place] = field(default_factory=list)  # of answers in streams
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))  # answers by seconds in the model

    @property
    def success(self) -> Span:
        return Span(self.answers + self.hits, self.success_ns + self.hit_ns)

    @property
    def cache_hit(self) -> Span:
        return Span(self.hits, self.hit_ns)

    @property
    def cache_miss(self) -> Span:
        return Span(self.missed, self.miss_ns)

    @property
    def fail(self) -> Span:
        return Span(self.errors + self.lost + self.turned_away + self.canceled, self.fail_ns)

    @property
    def queue(self) -> Span:
        return Span(self.queued, self.queue_ns)

    @property
    def compute_input(self) -> Span:
        return Span(self.answers, self.input_ns)

    @property
    def compute_infer(self) -> Span:
        return Span(self.answers, self.infer_ns)

    @property
    def compute_output(self) -> Span:
        return Span(self.answers, self.output_ns)

    def take(self, answer: Answer) -> None:
        """Of a caller with a seat, whose time in the queue is told elsewhere."""
        self.last = now()
        self.record(answer, int(answer.latency * 1e6), 1)

    def respond(self, place: int, answer: Answer) -> None:
        """One answer of a stream, the first one in place 0. Places beyond the last are counted there."""
        place = min(place, PLACES - 1)
        while len(self.places) <= place:
            self.places.append(Place())
        found = self.places[place]
        found.ns += int(answer.latency * 1e6)
        if answer.error is not None:
            found.fail += 1
        elif answer.outputs:
            found.success += 1
        else:
            found.empty += 1

    def take_stream(self, answer: Answer, taken_ns: int) -> None:
        """A stream that came to its end: one request, of which the model was called once."""
        self.last = now()
        self.record(answer, taken_ns, 1)

    def record(self, answer: Answer, taken_ns: int, calls: int) -> None:
        """`taken_ns`: since the question was handed to the replica."""
        latency = answer.latency
        infer = min(taken_ns, int(latency * 1e6))
        self.latency += latency
        self.buckets[bisect_left(BOUNDS, latency / 1000)] += 1
        if answer.error is not None:
            self.errors += 1
            self.fail_ns += taken_ns
            return
        self.answers += 1
        self.success_ns += taken_ns
        self.infer_ns += infer
        if answer.meta:
            output = min(taken_ns - infer, _told(answer, "output_ns", 0))
            self.rows += _told(answer, "rows", 1)
            calls = _told(answer, "calls", calls)
        else:
            output = 0
            self.rows += 1
        self.calls += calls
        self.output_ns += output
        self.input_ns += taken_ns - infer - output

    def record_all(self, answers: Sequence[Answer], taken_ns: int, calls: tuple[int, int]) -> None:
        """As `record` for each of them. `calls`: of the first one, and of each of the others."""
        buckets, infers, latencies, plain = self.buckets, 0, 0.0, 0
        counted, others = calls
        for answer in answers:
            if answer.error is not None or answer.meta:
                self.record(answer, taken_ns, counted)
            else:
                latency = answer.latency
                buckets[bisect_left(BOUNDS, latency / 1000)] += 1
                latencies += latency
                infer = int(latency * 1e6)
                infers += min(taken_ns, infer)
                plain += 1
                self.calls += counted
            counted = others
        self.latency += latencies
        self.answers += plain
        self.rows += plain
        self.success_ns += plain * taken_ns
        self.infer_ns += infers
        self.input_ns += plain * taken_ns - infers

    def run(self, size: int, taken_ns: int, infer_ns: int) -> None:
        """A batch of `size` questions is through."""
        batch = self.batches.get(size)
        if batch is None:
            batch = self.batches[size] = Batch()
        batch.count += 1
        batch.infer_ns += min(infer_ns, taken_ns)
        batch.input_ns += max(0, taken_ns - infer_ns)


def _told(answer: Answer, name: str, otherwise: int) -> int:
    text = answer.meta.get(name)
    return int(text) if text is not None and len(text) <= LONGEST and text.isdecimal() and text.isascii() else otherwise
