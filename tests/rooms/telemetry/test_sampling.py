"""Triton's trace settings decide which requests get a span."""

import importlib.util

import pytest
from rooms.api.oip.conftest import in_memory
from rooms.api.oip.served import Echo, publish
from rooms.inference.at_work import at_work
from rooms.telemetry.test_trace import KEY, PARENT, TRACEPARENT, Listener, exported

from headrace.domain.question import Question
from headrace.fleet.demand import Demand
from headrace.fleet.routing import Replica, Routing
from headrace.inference.ask import Ask
from headrace.telemetry.sampling import Rule, Sampling
from headrace.telemetry.trace import Tracer


def wanted(rule: Rule, times: int = 7) -> list[bool]:
    sampling = Sampling()
    sampling.set(rule)
    return [sampling.wants("echo", "") for _ in range(times)]


def test_until_somebody_says_something_all_are_wanted():
    assert Sampling().wants("echo", "")


def test_a_rate_is_one_in_so_many():
    assert [False, False, True, False, False, True, False] == wanted(Rule(on=True, rate=3, left=-1))


def test_a_count_ends_it():
    assert [True, True, False, False] == wanted(Rule(on=True, rate=1, left=2), 4)


def test_off_is_off_and_a_rate_of_zero_is_for_those_that_bring_a_trace():
    sampling = Sampling()
    sampling.set(Rule(on=True, rate=0, left=-1))
    assert (False, True) == (sampling.wants("echo", ""), sampling.wants("echo", PARENT))
    sampling.set(Rule(on=False, rate=1, left=-1))
    assert (False, False) == (sampling.wants("echo", ""), sampling.wants("echo", PARENT))


def test_a_models_own_rule_wins():
    sampling = Sampling()
    sampling.set(Rule(on=False, rate=1, left=-1))
    sampling.set(Rule(on=True, rate=1, left=-1), "echo")
    assert (True, False) == (sampling.wants("echo", ""), sampling.wants("other", ""))


async def test_spans_are_made_for_those_that_are_wanted():
    if importlib.util.find_spec("opentelemetry") is None:
        pytest.skip("pip install opentelemetry-sdk")
    provider, spans = exported()
    sampling, routing, listener = Sampling(), Routing(Demand()), Listener()
    sampling.set(Rule(on=True, rate=2, left=-1))
    routing.add(KEY, Replica("one", listener))
    async with at_work(Ask(routing, tracer=Tracer(provider.get_tracer("test"), sampling))) as hall:
        for meta in ({}, {}, {}, {TRACEPARENT: PARENT}):
            await hall.one(KEY, Question({}, meta=meta), patience=1, timeout=30)

    assert [False, True, False, True] == [bool(heard) for heard in listener.heard]
    assert 2 == len(spans.get_finished_spans())


async def test_the_protocols_settings_say_so(home):
    model = await publish(home, dialect=Echo())
    sampling = home.rooms.tuned.sampling
    async with in_memory(home) as client:
        asked = (await client.post("/v2/trace/setting", json={})).json()
        assert (["OFF"], True) == (asked["trace_level"], sampling.wants(model, ""))
        await client.post("/v2/trace/setting", json={"trace_rate": "2"})
        assert not sampling.wants(model, PARENT)
        await client.post("/v2/models/echo/trace/setting", json={"trace_level": ["TIMESTAMPS"], "trace_count": "1"})
        assert [False, True, False, False] == [sampling.wants(model, "") for _ in range(4)]
        assert not sampling.wants("another", "")
