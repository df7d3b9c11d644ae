"""The cache never changes an answer: every caller hears what the model would have said, under his own identifier."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms.inference.at_work import at_work

from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.body import Slot
from headrace.domain.errors import Unavailable
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Form, Output, Question
from headrace.domain.tensor import TensorModel
from headrace.fleet.demand import Demand
from headrace.fleet.routing import Replica, Routing
from headrace.inference.ask import Ask
from headrace.settings import InferenceSettings

KEY = VersionKey("model", "1.0.0")
ONE, TWO = "0b4e1c5e-0a4a-4f4e-a000-000000000001", "0b4e1c5e-0a4a-4f4e-a000-000000000002"
ALLOWED = ReplicaInfo(tensors=TensorModel("test", cached=True))


@dataclass
class Mill:
    """Answers with the identifier and a digest of what it was told; what begins with "no" fails."""

    asked: list[Question] = field(default_factory=list)

    async def ready(self, _timeout: float) -> ReplicaInfo:
        return ALLOWED

    async def run(self, questions: Sequence[Question], _timeout: float):
        for question in questions:
            self.asked.append(question)
            body = _bytes(question)
            if body.startswith(b"no"):
                yield Answer(1, 2, 0.5, error="no")
                continue
            yield Answer(1, 2, 0.5, {"": Output(said(question), "application/json")}, meta={"rows": "1", "calls": "1"})

    def close(self) -> None:
        pass


def _bytes(question: Question) -> bytes:
    body = question.inputs[""]
    return bytes(body.view) if isinstance(body, Slot) else bytes(body)


def said(question: Question) -> bytes:
    body, one_id = _bytes(question).decode(), question.meta.get("id", "")
    names = [one_id] * (2 if "twice" in body else 0 if "own" in body else 1)
    return json.dumps({"id": names, "said": f"{question.form} {body} {question.meta.get('headers')}"}).encode()


def question(body: bytes, one_id: str = ONE, form: Form = Form.V2_REST, **meta: str) -> Question:
    return Question({"": body}, form, meta={"id": one_id, **meta} if one_id else meta)


async def ask(hall: Ask, asked: Question) -> Any:
    answer = await hall.one(KEY, asked, patience=5, timeout=5)
    return answer.error or answer.outputs[""].body


@pytest.fixture
def routing() -> Routing:
    return Routing(Demand())


@pytest.fixture
async def hall(routing: Routing):
    async with at_work(Ask(routing)) as found:
        yield found


def mill(routing: Routing, info: ReplicaInfo = ALLOWED, name: str = "one") -> Mill:
    found = Mill()
    routing.add(KEY, Replica(name, found, info))
    return found


async def test_the_same_again_does_not_reach_the_model(routing: Routing, hall: Ask) -> None:
    only = mill(routing)
    first, second = question(b"a"), question(b"a", TWO)

    assert [said(first), said(second)] == [await ask(hall, first), await ask(hall, second)]
    assert 1 == len(only.asked)
    counts = hall.counts[KEY]
    assert (1, 1, 1) == (counts.hits, counts.missed, counts.calls)
    assert (2, 1) == (counts.success.count, counts.compute_infer.count)


async def test_a_model_that_does_not_allow_it_is_always_asked(routing: Routing, hall: Ask) -> None:
    only = mill(routing, ReplicaInfo(tensors=TensorModel("test")))
    for _ in range(3):
        await ask(hall, question(b"a"))

    assert 3 == len(only.asked)
    assert 0 == hall.counts[KEY].missed


@pytest.mark.parametrize(
    "other",
    [
        question(b"b"),
        question(b"a", form=Form.V2_GRPC),
        question(b"a", headers='{"x": "2"}'),
        question(b"a", model="alias"),
        question(b"a", json="1"),
    ],
)
async def test_what_differs_is_another_question(routing: Routing, hall: Ask, other: Question) -> None:
    only = mill(routing)
    await ask(hall, question(b"a"))

    assert said(other) == await ask(hall, other)
    assert 2 == len(only.asked)


async def test_an_identifier_of_the_callers_own_is_never_mixed_up(routing: Routing, hall: Ask) -> None:
    """It may need to be quoted, or be longer: such a question goes to the model."""
    only = mill(routing)
    for one_id in ("mine", "yours", ONE):
        asked = question(b"a", one_id)
        assert said(asked) == await ask(hall, asked)

    assert 3 == len(only.asked)


async def test_an_identifier_that_the_model_repeats_is_not_replaced(routing: Routing, hall: Ask) -> None:
    only = mill(routing)
    for one_id in (ONE, TWO):
        asked = question(b"twice", one_id)
        assert said(asked) == await ask(hall, asked)

    assert 2 == len(only.asked)


async def test_a_question_without_an_identifier_gets_one(routing: Routing, hall: Ask) -> None:
    only = mill(routing)
    found = [json.loads(await ask(hall, question(b"a", "", Form.V2_GRPC))) for _ in range(2)]

    assert 1 == len(only.asked)
    assert found[0]["said"] == found[1]["said"]
    assert 2 == len({one["id"][0] for one in found} - {""})


async def test_errors_are_not_kept(routing: Routing, hall: Ask) -> None:
    only = mill(routing)

    assert ["no", "no"] == [await ask(hall, question(b"no")) for _ in range(2)]
    assert 2 == len(only.asked)


async def test_a_new_replica_may_be_another_program(routing: Routing, hall: Ask) -> None:
    mill(routing)
    await ask(hall, question(b"a"))
    routing.remove(KEY, routing.free_replicas(KEY)[0])
    assert said(question(b"a")) == await ask(hall, question(b"a"))  # no replica is needed for it

    other = mill(routing, name="two")
    await ask(hall, question(b"a"))
    assert 1 == len(other.asked)


async def test_a_body_in_memory_that_is_shared(routing: Routing, hall: Ask) -> None:
    only = mill(routing)
    for one_id in (ONE, TWO):
        asked = Question({"": Slot(memoryview(b"x" * 100_000))}, Form.V2_REST, meta={"id": one_id})
        assert said(asked) == await ask(hall, asked)

    assert 1 == len(only.asked)


@pytest.mark.parametrize(("budget", "kept"), [(0, 0), (100, 0), (60_000, 60)])
async def test_no_more_is_kept_than_may_be(routing: Routing, budget: int, kept: int) -> None:
    only = mill(routing)
    async with at_work(Ask(routing, InferenceSettings(cache=budget))) as hall:
        for number in range(200):
            await ask(hall, question(b"%d" % number))
        before = len(only.asked)
        for number in range(199, -1, -1):
            await ask(hall, question(b"%d" % number))

    assert 200 == before
    assert kept <= 400 - len(only.asked) <= 2 * kept


async def test_who_has_left_is_told_nothing(routing: Routing, hall: Ask) -> None:
    mill(routing)
    await ask(hall, question(b"a"))
    told: list[Any] = []
    ticket = hall.put(KEY, question(b"a"), patience=5, timeout=5, tell=told.append)
    hall.withdraw(ticket)
    await ask(hall, question(b"b"))

    assert [] == told
    assert 1 == hall.counts[KEY].canceled


async def test_a_server_that_stops_answers_no_more(routing: Routing) -> None:
    mill(routing)
    async with at_work(Ask(routing)) as hall:
        await ask(hall, question(b"a"))

    with pytest.raises(Unavailable):
        await ask(hall, question(b"a"))


ASKED = st.tuples(
    st.sampled_from([b"a", b"b", b"no", b"twice", b"own", b"c" * 3_000]),
    st.sampled_from([ONE, TWO, "", "mine"]),
    st.sampled_from([Form.V2_REST, Form.V2_GRPC]),
    st.sampled_from([None, "x", "y"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ASKED, min_size=1, max_size=25), st.sampled_from([0, 20_000, 1 << 20]))
async def test_it_changes_no_answer(asked: list[tuple[bytes, str, Form, str | None]], budget: int) -> None:
    routing = Routing(Demand())
    only = mill(routing)
    async with at_work(Ask(routing, InferenceSettings(cache=budget))) as hall:
        for body, one_id, form, headers in asked:
            one = question(body, one_id, form, **({"headers": headers} if headers else {}))
            found = await ask(hall, one)
            if body == b"no":
                assert "no" == found
            elif one_id:
                assert said(one) == found
            else:
                names, rest = json.loads(found)["id"], json.loads(found)["said"]
                assert json.loads(said(one))["said"] == rest
                assert len(names) == len(json.loads(said(one))["id"])

    counts = hall.counts[KEY]
    assert len(asked) == len(only.asked) + counts.hits
