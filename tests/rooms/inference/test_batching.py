"""Batches: everybody gets the answer to his own question, whatever others, replicas and callers do meanwhile."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rooms.inference.at_work import at_work

from headrace.dialects.dialect import ReplicaInfo, Taker
from headrace.domain.errors import HeadraceError, LimitReached, ModelFailed, ReplicaLost, StorageFailed, Unavailable
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Output, Question
from headrace.domain.tensor import TensorModel
from headrace.fleet.demand import Demand
from headrace.fleet.routing import Replica, Routing, Trouble
from headrace.inference.ask import Ask, Counts
from headrace.inference.counts import Ran
from headrace.settings import InferenceSettings

KEY = VersionKey("echo", "1.0.0")


@pytest.fixture(autouse=True)
def _fate_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.fleet.seat.FATE", 0.0)


@dataclass
class Mill:
    """Answers in capitals once its gate is open, in groups of `group`. "die…" and "late…" are what they say.

    "stuck…" waits until it is freed.
    """

    group: int = 1
    open: bool = True
    runs: list[list[str]] = field(default_factory=list)
    gone: bool = False
    busy: bool = False

    def __post_init__(self) -> None:
        self.gate, self.freed = asyncio.Event(), asyncio.Event()
        if self.open:
            self.gate.set()

    async def ready(self, _timeout: float) -> ReplicaInfo:
        return ReplicaInfo()

    async def run(self, questions: Sequence[Question], timeout: float) -> AsyncIterator[Answer]:
        assert not self.busy, "one caller at a time"
        self.busy = True
        texts = [bytes(question.inputs[""]).decode() for question in questions]
        self.runs.append(texts)
        await self.gate.wait()
        for start in range(0, len(texts), self.group):
            group = texts[start : start + self.group]
            await asyncio.sleep(0)
            if any(text.startswith("stuck") for text in group):
                await self.freed.wait()
            self._accident(group, start, timeout)
            for text in group:
                if text.startswith("no"):
                    yield Answer(1, 2, 0.5, error=f"no to {text}")
                else:
                    yield Answer(1, 2, 0.5, {"": Output(text.upper().encode(), "text/plain")})
        self.busy = False

    def _accident(self, group: list[str], start: int, timeout: float) -> None:
        if self.gone:
            raise ReplicaLost("gone before")
        if any(text.startswith("die") for text in group):
            raise ReplicaLost("it died", suspect=start, together=len(group))
        if any(text.startswith("late") for text in group):
            raise LimitReached(f"not within {timeout:g} s", suspect=start, together=len(group))
        if any(text.startswith("disk") for text in group):
            raise StorageFailed("the disk is full")

    def close(self) -> None:
        pass


@dataclass
class StraightMill(Mill):
    """The same, asked without a coroutine."""

    carrying: asyncio.Task[None] | None = None

    def straight(self, questions: Sequence[Question], timeout: float, taker: Taker) -> bool:
        if self.gone and not self.busy:
            self.runs.append([bytes(question.inputs[""]).decode() for question in questions])
            raise ReplicaLost("gone before")
        if any(b"disk" in bytes(question.inputs[""]) for question in questions):
            return False
        self.carrying = asyncio.ensure_future(self._carry(questions, timeout, taker))
        return True

    async def _carry(self, questions: Sequence[Question], timeout: float, taker: Taker) -> None:
        error = None
        try:
            async for answer in self.run(questions, timeout):
                taker.took([answer])
        except (LimitReached, ReplicaLost) as why:
            error = why
        taker.ended(error)


KINDS: dict[str, type[Mill]] = {"any": Mill, "coroutine": Mill, "straight": StraightMill}


@pytest.fixture(autouse=True, params=["coroutine", "straight"])
def _kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every replica of a test is of one kind, but in the property, where any may be."""
    monkeypatch.setitem(KINDS, "any", KINDS[request.param])


def mill(routing: Routing, name: str = "one", *, info: ReplicaInfo | None = None, kind: str = "any", **knobs) -> Mill:
    found = KINDS[kind](**knobs)
    routing.add(KEY, Replica(name, found, info))
    return found


def batching(most: int, group: int | None = None) -> ReplicaInfo:
    tensors = TensorModel("test", max_batch_size=most)
    return ReplicaInfo(tensors=tensors) if group is None else ReplicaInfo(group, tensors=tensors)


async def one(hall: Ask, text: str, patience: float = 60) -> str:
    answer = await hall.one(KEY, Question({"": text.encode()}), patience=patience, timeout=5)
    return answer.error or bytes(answer.outputs[""].body).decode()


async def outcome(hall: Ask, text: str, patience: float = 60) -> str | HeadraceError:
    try:
        return await one(hall, text, patience)
    except HeadraceError as error:
        return error


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def routing() -> Routing:
    return Routing(Demand())


@pytest.fixture
async def hall(routing: Routing):
    async with at_work(Ask(routing)) as found:
        yield found


async def ask_all(hall: Ask, texts: Sequence[str]) -> list[str | HeadraceError]:
    return await asyncio.gather(*(outcome(hall, text) for text in texts))


async def test_a_free_replica_takes_all_that_wait(routing: Routing, hall: Ask) -> None:
    only = mill(routing, info=batching(8), open=False)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(one(hall, "a"))
        await turns()
        others = [group.create_task(one(hall, text)) for text in "bcdefghijkl"]
        await turns()
        assert {KEY: 11} == hall.waiting()
        only.gate.set()

    assert [["a"], list("bcdefghi"), list("jkl")] == only.runs
    assert list("ABCDEFGHIJKL") == [task.result() for task in (first, *others)]


async def test_a_model_without_batches_gets_what_takes_a_moment(routing: Routing, hall: Ask) -> None:
    only = mill(routing)
    await ask_all(hall, [str(number) for number in range(100)])

    sizes = [len(run) for run in only.runs]
    assert (1, 100) == (sizes[0], sum(sizes))
    longest = list(itertools.accumulate(sizes, max))
    assert all(size <= 4 * before for before, size in zip(longest, sizes[1:], strict=False))


@pytest.mark.parametrize(("info", "at_once"), [(None, True), (batching(8), False)])
async def test_questions_that_come_one_by_one_leave_at_once(
    routing: Routing, hall: Ask, info: ReplicaInfo | None, at_once: bool
) -> None:
    """But where a model runs questions together, each waits for others until the end of the turn."""
    only = mill(routing, info=info)
    for text in "abc":
        assert text.upper() == await one(hall, text)
    told: list[Answer | HeadraceError] = []
    hall.put(KEY, Question({"": b"d"}), patience=60, timeout=5, tell=told.append)
    assert (0 if at_once else 1) == hall.waiting()[KEY]
    hall.put(KEY, Question({"": b"e"}), patience=60, timeout=5, tell=told.append)
    await turns(20)

    assert ([["d"], ["e"]] if at_once else [["d", "e"]]) == only.runs[3:]
    assert [b"D", b"E"] == [said.outputs[""].body for said in told if isinstance(said, Answer)]


async def test_two_free_replicas_share(routing: Routing, hall: Ask) -> None:
    mills = [mill(routing, name, info=batching(64)) for name in ("one", "two")]
    await ask_all(hall, [str(number) for number in range(10)])

    assert [[5], [5]] == [[len(run) for run in one.runs] for one in mills]


async def test_a_batch_is_bounded_in_bytes(routing: Routing) -> None:
    only = mill(routing, info=batching(64))
    async with at_work(Ask(routing, InferenceSettings(batch_bytes=10))) as hall:
        await ask_all(hall, ["x" * 4, "y" * 4, "z" * 4, "w" * 40])

    assert [["xxxx", "yyyy"], ["zzzz"], ["w" * 40]] == only.runs


async def test_a_full_queue_answers_at_once_and_says_when_to_come_back(routing: Routing) -> None:
    async with at_work(Ask(routing, InferenceSettings(queue=2))) as hall:
        only = mill(routing, open=False)
        async with asyncio.TaskGroup() as group:
            tasks = []
            for text in "abc":
                tasks.append(group.create_task(one(hall, text)))
                await turns()
            with pytest.raises(Unavailable, match="2 requests with 2 bytes wait for this model already") as caught:
                await one(hall, "d")
            only.gate.set()

    assert caught.value.retry_after is None  # nobody knows how long one takes
    assert ["A", "B", "C"] == [task.result() for task in tasks]
    assert (3, 1) == (hall.counts[KEY].answers, hall.counts[KEY].turned_away)


async def test_the_queue_knows_how_long_it_takes(routing: Routing) -> None:
    async with at_work(Ask(routing, InferenceSettings(queue=2))) as hall:
        only = mill(routing, info=batching(1))
        await one(hall, "warm")
        only.gate.clear()
        async with asyncio.TaskGroup() as group:
            for text in "abc":
                group.create_task(one(hall, text))
                await turns()
            with pytest.raises(Unavailable) as caught:
                await one(hall, "d")
            only.gate.set()

    assert 1.0 == caught.value.retry_after


async def test_a_full_queue_is_full_by_bytes_too_but_takes_one_of_any_size(routing: Routing) -> None:
    async with at_work(Ask(routing, InferenceSettings(queue_bytes=10))) as hall, asyncio.TaskGroup() as group:
        large = group.create_task(one(hall, "x" * 100))
        await turns()
        with pytest.raises(Unavailable, match="1 requests with 100 bytes"):
            await one(hall, "y")
        mill(routing)

    assert "X" * 100 == large.result()


async def test_what_nobody_waits_for_is_not_sent(routing: Routing, hall: Ask) -> None:
    only = mill(routing, open=False, info=batching(8))
    async with asyncio.TaskGroup() as group:
        first = group.create_task(one(hall, "a"))
        await turns()
        gone = group.create_task(one(hall, "gone"))
        late = group.create_task(outcome(hall, "late patience", 0.0))
        last = group.create_task(one(hall, "b"))
        await turns()
        gone.cancel()
        assert isinstance(await late, Unavailable)
        only.gate.set()

    assert [["a"], ["b"]] == only.runs
    assert ["A", "B"] == [first.result(), last.result()]
    assert (2, 1, 1) == (hall.counts[KEY].answers, hall.counts[KEY].canceled, hall.counts[KEY].turned_away)


async def test_nobody_left_means_nobody_in_the_line(routing: Routing, hall: Ask) -> None:
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(one(hall, "gone"))
        await turns()
        assert 1 == routing.waiting(KEY)
        gone.cancel()
        await turns()
        assert 0 == routing.waiting(KEY)
        next_one = group.create_task(one(hall, "next"))
        await turns()
        mill(routing)

    assert "NEXT" == next_one.result()


async def test_who_leaves_while_it_runs_costs_nobody_a_replica(routing: Routing, hall: Ask) -> None:
    only = mill(routing, open=False, info=batching(8))
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(one(hall, "gone"))
        stays = group.create_task(one(hall, "stays"))
        await turns()
        gone.cancel()
        await turns()
        only.gate.set()

    assert [["gone", "stays"]] == only.runs
    assert "STAYS" == stays.result()
    assert "AGAIN" == await one(hall, "again")


async def test_waiting_counts_as_demand(routing: Routing, hall: Ask) -> None:
    mill(routing, info=batching(4), open=False)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(outcome(hall, str(number))) for number in range(13)]
        async with asyncio.timeout(30):
            while (1, 3) != (routing.busy(KEY), routing.waiting(KEY)):  # 4 on the replica, 9 wait: three batches
                await asyncio.sleep(0.005)
        for task in tasks:
            task.cancel()


async def test_a_lost_replica_fails_only_its_suspect(routing: Routing, hall: Ask) -> None:
    mills = [mill(routing, f"first {number}", info=batching(64), open=False) for number in range(1)]
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(ask_all(hall, ["block", "a", "b", "die", "c"]))
        await turns()
        mills[0].gate.set()
        await turns(20)
        second = mill(routing, "second", info=batching(64))

    assert ["BLOCK", "A", "B"] == asked.result()[:3]
    assert isinstance(asked.result()[3], ModelFailed)
    assert "C" == asked.result()[4]
    assert [["c"]] == second.runs


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.inference.courier.STALLED", 0.05)
    monkeypatch.setattr("headrace.inference.batching.PATROL", 0.01)


async def handed(hall: Ask, to: Mill, texts: list[str]) -> "asyncio.Future[list[str | HeadraceError]]":
    """All of them at once, to a replica that is known to be quick."""
    await ask_all(hall, [str(number) for number in range(40)])
    asked = asyncio.ensure_future(ask_all(hall, texts))
    while to.runs[-1] != texts:
        await asyncio.sleep(0)
    return asked


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("lost", [False, True])
async def test_a_stuck_replica_holds_up_only_what_it_works_on(routing: Routing, hall: Ask, lost: bool) -> None:
    first = mill(routing, "one")
    asked = await handed(hall, first, ["stuck", "a", "b", "c"])
    second = mill(routing, "two")
    async with asyncio.timeout(10):
        while hall.counts[KEY].answers < 43:
            await asyncio.sleep(0.01)
    assert (False, {KEY: 0}) == (asked.done(), hall.waiting())
    first.gone = lost
    second.freed.set()
    first.freed.set()

    assert ["STUCK", "A", "B", "C"] == await asked
    assert ["a", "b", "c", *(["stuck"] if lost else [])] == list(itertools.chain(*second.runs))
    assert "D" == await one(hall, "d")
    assert 45 == hall.counts[KEY].answers


@pytest.mark.usefixtures("_soon")
async def test_where_there_is_no_other_replica_nothing_is_asked_twice(routing: Routing, hall: Ask) -> None:
    only = mill(routing)
    asked = await handed(hall, only, ["stuck", "a", "b"])
    before = len(only.runs)
    await asyncio.sleep(0.2)
    only.freed.set()

    assert ["STUCK", "A", "B"] == await asked
    assert "C" == await one(hall, "c")
    assert [["c"]] == only.runs[before:]
    assert {KEY: 0} == hall.waiting()


async def test_of_several_suspects_each_is_asked_alone(routing: Routing, hall: Ask) -> None:
    mill(routing, "first", info=batching(64), group=4)
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(ask_all(hall, ["a", "late", "b", "c", "d"]))
        await turns(20)
        second = mill(routing, "second", info=batching(64), group=4)
        await turns(20)
        third = mill(routing, "third", info=batching(64), group=4)

    assert ["A", "B", "C", "D"] == [said for said in asked.result() if isinstance(said, str)]
    assert isinstance(asked.result()[1], LimitReached)
    assert [["a"], ["late"]] == second.runs
    assert [["b"], ["c"], ["d"]] == third.runs


async def test_a_store_that_fails_fails_what_was_under_way(routing: Routing, hall: Ask) -> None:
    mill(routing, info=batching(64))
    found = await ask_all(hall, ["a", "disk", "b"])

    assert "A" == found[0]
    assert [StorageFailed, StorageFailed] == [type(one) for one in found[1:]]
    assert found[1] is not found[2]


async def test_a_version_that_cannot_start_turns_all_away(routing: Routing, hall: Ask) -> None:
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(ask_all(hall, ["a", "b"]))
        await turns()
        routing.tell(KEY, Trouble(ModelFailed("no module named torch"), 1 << 60))

    assert ["no replica of this model starts: no module named torch"] * 2 == [str(one) for one in asked.result()]
    assert asked.result()[0] is not asked.result()[1]


async def test_before_the_loop_runs_questions_wait_and_after_it_they_are_refused(routing: Routing) -> None:
    hall = Ask(routing)
    mill(routing)
    async with asyncio.TaskGroup() as group:
        early = group.create_task(one(hall, "early"))
        await turns()
        loop = group.create_task(hall.run())
        assert "EARLY" == await early
        loop.cancel()
        await turns()
        with pytest.raises(Unavailable, match="stopping"):
            await one(hall, "late")


async def test_stopping_fails_what_waits_and_what_runs(routing: Routing) -> None:
    hall = Ask(routing)
    mill(routing, open=False)
    async with asyncio.TaskGroup() as group:
        loop = group.create_task(hall.run())
        asked = group.create_task(ask_all(hall, ["a", "b"]))
        await turns()
        loop.cancel()

    assert ["the server is stopping"] * 2 == [str(one) for one in asked.result()]


async def test_who_cannot_take_an_answer_costs_nobody_else_theirs(routing: Routing) -> None:
    """Whatever they are told, and whoever tells it: a replica, a porter, the clock, or the end."""

    def clumsy(_said: Answer | HeadraceError) -> None:
        raise ZeroDivisionError

    told: list[Answer | HeadraceError] = []

    def two(text: str, patience: float = 60) -> None:
        for tell in (clumsy, told.append):
            hall.put(KEY, Question({"": text.encode()}), patience=patience, timeout=5, tell=tell)

    async with at_work(Ask(routing)) as hall:
        await turns()
        two("late", 0)
        await asyncio.sleep(0.01)
        two("a")
        mill(routing)
        await turns(20)
        for replica in routing.free_replicas(KEY):
            routing.remove(KEY, replica)
        two("end")
        await turns()

    kinds = ["Unavailable", "Answer", "Unavailable"]
    assert kinds == [type(one).__name__ for one in told]


async def test_statistics_add_up(routing: Routing, hall: Ask) -> None:
    mill(routing, info=batching(64))
    await ask_all(hall, ["a", "b", "no", "c"])
    await ask_all(hall, ["d"])
    counts = hall.counts[KEY]

    assert (4, 1, 5, 2) == (counts.success.count, counts.fail.count, counts.queue.count, counts.calls)
    assert {1: 1, 3: 1} == sizes(counts)  # with the element that failed Triton does not count either
    assert counts.success_ns == counts.input_ns + counts.infer_ns
    assert 5 == sum(counts.buckets)


async def test_each_request_of_a_batch_waited_for_all_of_it(routing: Routing, hall: Ask) -> None:
    """As Triton counts: 0.5 ms is a request's part, and the batch took 2 ms. A batch counts once among the batches."""
    only = mill(routing, info=batching(64), open=False)
    asked = [asyncio.ensure_future(one(hall, text)) for text in ("a", "b", "no", "c")]
    await turns(20)
    asked[1].cancel()  # its part counts, though nobody waits for it
    await asyncio.sleep(0.01)
    only.gate.set()
    await asyncio.gather(*asked, return_exceptions=True)
    counts = hall.counts[KEY]

    assert [["a", "b", "no", "c"]] == only.runs
    assert (2, 4_000_000) == (counts.compute_infer.count, counts.compute_infer.ns)
    assert [(2, 1_000_000)] == [(size, batch.infer_ns) for size, batch in counts.batches.items()]
    assert (3, 6.0) == (sum(counts.buckets), counts.latency)
    assert 3 == counts.buckets[1]  # up to 2.5 ms
    assert counts.success_ns == counts.input_ns + counts.infer_ns


class Sized(Mill):
    """Tells of each answer what the harness would tell: "3@1" is 3 elements, in another call than most."""

    async def run(self, questions: Sequence[Question], _timeout: float) -> AsyncIterator[Answer]:
        for question in questions:
            rows, _, call = bytes(question.inputs[""]).decode().partition("@")
            said = {"rows": rows} | ({"call": call} if call else {})
            yield Answer(1, 2, 0.5, {"": Output(b"", "text/plain")}, meta={} if said == {"rows": "1"} else said)


def sizes(counts: Counts) -> dict[int, int]:
    return {size: batch.count for size, batch in counts.batches.items()}


@pytest.mark.parametrize(
    ("most", "texts", "found"),
    [
        (64, ["1", "1"], {2: 1}),
        (64, ["4", "1", "4"], {9: 1}),
        (64, ["4", "4@1", "2", "4@1", "1@4"], {6: 1, 8: 1, 1: 1}),
        (0, ["1", "4", "1"], {1: 2, 4: 1}),
        (64, ["9" * 30, "x", "-3", "0"], {4: 1}),
    ],
)
async def test_elements_and_calls_are_counted_as_triton_does(routing, hall, most, texts, found) -> None:
    routing.add(KEY, Replica("one", Sized(), batching(most)))
    await ask_all(hall, texts)
    counts = hall.counts[KEY]

    assert found == sizes(counts)
    assert counts.rows == sum(size * count for size, count in found.items())
    assert counts.calls == sum(found.values())
    assert counts.answers == len(texts)


async def test_what_failed_took_its_time(routing: Routing, hall: Ask) -> None:
    mill(routing, open=False)
    async with asyncio.TaskGroup() as group:
        left = group.create_task(outcome(hall, "left"))
        await turns()
        late = group.create_task(outcome(hall, "late", patience=0.02))
        assert isinstance(await late, Unavailable)
        left.cancel()
    counts = hall.counts[KEY]

    assert (1, 1) == (counts.turned_away, counts.canceled)
    assert counts.fail.ns >= 0.04 * 1e9  # both


def test_no_question_was_in_the_model_for_longer_than_it_was_away() -> None:
    """Whatever the replica says of it. Its time in the model is told as the replica says."""
    counts, ran = Counts(), Ran(together=False)
    counts.record_all([Answer(1, 2, 5.0), Answer(1, 2, 0.25), Answer(1, 2, 1.0)], 1_000_000, ran)
    counts.record_all([Answer(1, 2, 0.5)], 3_000_000, ran)
    counts.ran(ran, 3_000_000)

    assert (2_250_000 + 500_000, 750_000 + 2_500_000) == (counts.infer_ns, counts.input_ns)
    assert ([3, 0, 1], 6.75) == (counts.buckets[:3], counts.latency)


async def test_a_model_cannot_make_up_any_number_of_sizes() -> None:
    counts = Counts()
    for rows in range(1, 3_000):
        counts.take(Answer(1, 2, 0.5, meta={"rows": str(rows)}))
    assert len(counts.batches) <= 1_000


# The property: random interleavings of questions, departures, deaths and new replicas.

TEXTS = st.sampled_from(["ok", "ok", "ok", "no", "die", "late"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), TEXTS, st.sampled_from([0.0, 60.0, 60.0])),
        st.tuples(st.just("leave"), st.integers(0, 100)),
        st.tuples(st.just("turns"), st.integers(0, 6)),
        st.tuples(st.just("replica"), st.integers(1, 4), st.booleans(), st.sampled_from(["coroutine", "straight"])),
        st.tuples(st.just("gone"), st.integers(0, 100)),
        st.tuples(st.just("open"), st.integers(0, 100)),
    ),
    max_size=60,
)


class Play:
    def __init__(self, routing: Routing, hall: Ask, group: asyncio.TaskGroup) -> None:
        self.routing, self.hall, self.group = routing, hall, group
        self.mills: list[Mill] = []
        self.tasks: dict[str, asyncio.Task[str | HeadraceError]] = {}
        self.left: set[str] = set()
        self.asked = 0  # a task that is cancelled before its first step asks nothing

    async def ask(self, text: str, patience: float) -> str | HeadraceError:
        self.asked += 1
        return await outcome(self.hall, text, patience)

    async def step(self, what: str, *knobs) -> None:
        match what:
            case "ask":
                text = f"{knobs[0]} {len(self.tasks)}"
                self.tasks[text] = self.group.create_task(self.ask(text, knobs[1]))
            case "leave" if self.tasks:
                text = list(self.tasks)[knobs[0] % len(self.tasks)]
                if self.tasks[text].cancel():
                    self.left.add(text)
            case "turns":
                await turns(knobs[0])
            case "replica":
                size, is_open, kind = knobs
                name = str(len(self.mills))
                self.mills.append(mill(self.routing, name, info=batching(8), group=size, open=is_open, kind=kind))
            case "gone" if self.mills:
                self.mills[knobs[0] % len(self.mills)].gone = True
            case "open" if self.mills:
                self.mills[knobs[0] % len(self.mills)].gate.set()

    async def end(self) -> None:
        """Whoever still waits gets his answer in the end: replicas keep coming, as the fleet sees to it."""
        for one in self.mills:
            one.gate.set()
        async with asyncio.timeout(5):
            while not all(task.done() for task in self.tasks.values()):
                await turns(10)
                if not self.routing.free(KEY) and self.routing.waiting(KEY):
                    self.mills.append(mill(self.routing, str(len(self.mills)), info=batching(8), group=3))
                await asyncio.sleep(0.0005)  # the clock of those without patience has to move


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_results_are_never_mixed_up(steps) -> None:
    asyncio.run(play(steps))


async def play(steps) -> None:
    routing = Routing(Demand())
    async with at_work(Ask(routing)) as hall:
        async with asyncio.TaskGroup() as group:
            stage = Play(routing, hall, group)
            for step in steps:
                await stage.step(*step)
            await stage.end()
        await turns()
        check(stage)
        assert (0, 0) == (routing.busy(KEY), routing.waiting(KEY))
        assert not any(hall.waiting().values())
        counts = hall.counts.get(KEY, Counts())
        ends = counts.answers + counts.errors + counts.lost + counts.turned_away + counts.canceled
        assert stage.asked == ends


def check(stage: Play) -> None:
    runs = [run for one in stage.mills for run in one.runs]
    asked = Counter(text for run in runs for text in run)
    assert all(count <= 2 for count in asked.values())
    for text, task in stage.tasks.items():
        if task.cancelled():
            assert text in stage.left
            continue
        check_one(text, task.result(), [run for run in runs if text in run])


def check_one(text: str, said: str | HeadraceError, runs: list[list[str]]) -> None:
    kind = text.partition(" ")[0]
    if isinstance(said, Unavailable):
        return
    if isinstance(
        said, HeadraceError
    ):  # a question that harms nobody fails only when a replica is lost around it alone
        assert kind in {"die", "late"} or [text] in runs  # `runs` are by replica, not in the order of time
        return
    assert {"ok": text.upper(), "no": f"no to {text}"}[kind] == said
