"""What was asked of a version since the server started, in plain integers: the doors and /metrics render them.

The words are those of the protocol's statistics extension (contracts/oip.md, A16): a request is queued until a replica
takes it, then the model computes, and what is left of its time counts for its input: carrying and decoding that, and
encoding and carrying its output, which nobody measures apart.

The program beside the model tells by the answer's meta what only it knows, where it is not what nearly always holds:
`rows`, elements of the batch dimension, where they are not 1; and `call`, which call of the model it comes from, where
questions that were sent together took several.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from headrace.domain.clock import Millis, now
from headrace.domain.question import Answer

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)  # seconds
SOON = 1000 * BOUNDS[0]  # milliseconds: what most small requests take, and less
PLACES = 1_000  # of answers in a stream
SIZES = 1_000  # of batches
LONGEST = 18  # digits of a number in the meta


@dataclass(frozen=True, slots=True)
class Span:
    """How often, and how long together."""

    count: int
    ns: int


@dataclass(slots=True)
class Batch:
    """Calls of the model with so many elements."""

    count: int = 0
    input_ns: int = 0
    infer_ns: int = 0


@dataclass(slots=True)
class Shared:
    """One call of the model for several questions: each of them waited for all of it, as Triton counts."""

    answers: int = 0
    latency: float = 0.0  # milliseconds: all their parts are the whole
    heard: int = 0  # those that somebody still waited for
    good: int = 0  # of these, those without an error
    taken_ns: int = 0  # by the good ones, from hand to hand


class Ran:
    """What questions that were sent together came to: how many elements the model had in which call.

    `together`: the model runs them in one call, unless an answer says that it was another one.
    """

    __slots__ = ("_calls", "_sizes", "infer_ns", "shared", "together")

    def __init__(self, *, together: bool) -> None:
        self.together = together
        self._calls: dict[str, int] = {}
        self._sizes: dict[int, int] = {}
        self.infer_ns = 0
        self.shared: dict[str, Shared] = {}  # by call

    def add(self, rows: int, count: int, call: str = "") -> None:
        """So many answers with so many elements each."""
        if self.together:
            self._calls[call] = self._calls.get(call, 0) + rows * count
        else:
            self._sizes[rows] = self._sizes.get(rows, 0) + count

    def sizes(self) -> Mapping[int, int]:
        """Calls by their elements."""
        if not self.together:
            return self._sizes
        found: dict[int, int] = {}
        for elements in self._calls.values():  # nearly always one
            found[elements] = found.get(elements, 0) + 1
        return found

    def share(self, call: str, answers: int, latency: float) -> "Shared":
        """So many answers of a call with such parts of its time, in milliseconds together."""
        found = self.shared.get(call)
        if found is None:
            found = self.shared[call] = Shared()
        found.answers += answers
        found.latency += latency
        return found


@dataclass(slots=True)
class Place:
    """Answers that came in the same place of their streams: the first ones, the second ones, and so on."""

    success: int = 0
    fail: int = 0
    empty: int = 0  # the end of a stream, without outputs
    success_ns: int = 0  # in the model
    fail_ns: int = 0
    empty_ns: int = 0


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
        """It counts for the input."""
        return Span(self.answers, 0)

    def turn_away(self, waited: float) -> None:
        """A caller who had waited for so many seconds."""
        self.turned_away += 1
        self.fail_ns += int(1e9 * waited)

    def lose(self, waited: float) -> None:
        """A question, so many seconds after it was asked."""
        self.lost += 1
        self.fail_ns += int(1e9 * waited)

    def cancel(self, waited: float) -> None:
        """A caller who left after so many seconds."""
        self.canceled += 1
        self.fail_ns += int(1e9 * waited)

    def take(self, answer: Answer) -> None:
        """Of a caller with a seat, whose time in the queue is told elsewhere."""
        self._take_one(answer, int(answer.latency * 1e6))

    def respond(self, place: int, answer: Answer) -> None:
        """One answer of a stream, the first one in place 0. Places beyond the last are counted there."""
        place = min(place, PLACES - 1)
        while len(self.places) <= place:
            self.places.append(Place())
        found = self.places[place]
        ns = int(answer.latency * 1e6)
        if answer.error is not None:
            found.fail += 1
            found.fail_ns += ns
        elif answer.outputs:
            found.success += 1
            found.success_ns += ns
        else:
            found.empty += 1
            found.empty_ns += ns

    def take_stream(self, answer: Answer, taken_ns: int) -> None:
        """A stream that came to its end: one request, of which the model was called once."""
        self._take_one(answer, taken_ns)

    def _take_one(self, answer: Answer, taken_ns: int) -> None:
        ran = Ran(together=False)
        self._record(answer, taken_ns, ran)
        self.ran(ran, taken_ns)

    def _record(self, answer: Answer, taken_ns: int, ran: Ran) -> None:
        """`taken_ns`: since the question was handed to the replica."""
        latency, call, good = answer.latency, answer.meta.get("call", ""), answer.error is None
        infer = min(taken_ns, int(latency * 1e6))
        if ran.together:
            shared = ran.share(call, 1, latency)
            shared.heard += 1
            shared.good += good
            shared.taken_ns += taken_ns if good else 0
        else:
            self._spent(1, latency)
            self.infer_ns += infer if good else 0
            self.input_ns += taken_ns - infer if good else 0
        if not good:
            self.errors += 1
            self.fail_ns += taken_ns
            return
        self.answers += 1
        self.success_ns += taken_ns
        rows = _rows(answer)
        self.rows += rows
        ran.infer_ns += infer
        ran.add(rows, 1, call)

    def _spent(self, answers: int, latency: float) -> None:
        """So many answers for each of which the model took so many milliseconds."""
        self.latency += answers * latency
        self.buckets[bisect_left(BOUNDS, latency / 1000)] += answers

    def record_all(self, answers: Sequence[Answer], taken_ns: int, ran: Ran) -> None:
        """The next ones to questions that were sent together: `ran` is told when all have come."""
        buckets, latencies, soon, plain, together = self.buckets, 0.0, 0, 0, ran.together
        for answer in answers:
            if answer.error is not None or answer.meta:
                self._record(answer, taken_ns, ran)
                continue
            latency = answer.latency
            if latency <= SOON:
                soon += 1
            elif not together:
                buckets[bisect_left(BOUNDS, latency / 1000)] += 1
            latencies += latency
            plain += 1
        if plain:
            infers = _infer_ns(latencies, taken_ns, answers)
            if together:
                shared = ran.share("", plain, latencies)
                shared.heard += plain
                shared.good += plain
                shared.taken_ns += plain * taken_ns
            else:
                self.latency += latencies
                buckets[0] += soon
                self.infer_ns += infers
                self.input_ns += plain * taken_ns - infers
            self.answers += plain
            self.rows += plain
            self.success_ns += plain * taken_ns
            ran.infer_ns += infers
            ran.add(1, plain)

    def ran(self, ran: Ran, taken_ns: int) -> None:
        """What was sent together is through. Calls without an answer of use are not counted."""
        self.last = now()
        for shared in ran.shared.values():
            self._spent(shared.heard, shared.latency)
            infer = min(shared.taken_ns, shared.good * int(shared.latency * 1e6))
            self.infer_ns += infer
            self.input_ns += shared.taken_ns - infer
        sizes = ran.sizes()
        elements = sum([rows * count for rows, count in sizes.items()])
        infer = min(ran.infer_ns, taken_ns)
        for rows, count in sizes.items():
            batch = self.batches.get(rows)
            if batch is None:
                if len(self.batches) >= SIZES:  # a model that makes them up
                    continue
                batch = self.batches[rows] = Batch()
            self.calls += count
            batch.count += count
            batch.infer_ns += infer * rows * count // elements
            batch.input_ns += (taken_ns - infer) * rows * count // elements


def _infer_ns(latencies: float, taken_ns: int, answers: Sequence[Answer]) -> int:
    """In the model, by those without an error: `latencies` together. None of them was there longer than it was away."""
    together = int(latencies * 1e6)
    if together <= taken_ns:
        return together
    return sum([min(taken_ns, int(one.latency * 1e6)) for one in answers if one.error is None and not one.meta])


def _rows(answer: Answer) -> int:
    text = answer.meta.get("rows", "")
    return max(1, int(text)) if text.isdecimal() and text.isascii() and len(text) <= LONGEST else 1
