"""W3C traceparent in and out, and one span from request to replica where OpenTelemetry is installed."""

import asyncio
import importlib.util
import json
from contextlib import aclosing

import msgspec
import pytest
from rooms.inference.at_work import at_work
from rooms.inference.counting import Counter

from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.errors import ModelFailed
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Fault, Form, Question
from headrace.fleet.demand import Demand
from headrace.fleet.routing import Replica, Routing
from headrace.inference.ask import Ask, Step
from headrace.telemetry.trace import TRACEPARENT, Tracer, checked_traceparent, tracer

KEY = VersionKey("echo", "1.0.0")
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
SDK = "opentelemetry.sdk"


class Listener:
    def __init__(self):
        self.heard: list[str] = []

    async def ready(self, _timeout):
        return ReplicaInfo()

    async def run(self, questions, _timeout):
        for question in questions:
            self.heard.append(question.meta.get(TRACEPARENT, ""))
            yield Answer(1, 2, 0.5)

    def close(self):
        pass


class Refusing(Listener):
    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    async def run(self, questions, _timeout):
        for _ in questions:
            yield Answer(1, 2, 0.5, error="no to that", fault=self.fault)


async def asked(hall_tracer):
    """What the replica hears of the caller's trace."""
    routing, listener = Routing(Demand()), Listener()
    routing.add(KEY, Replica("one", listener))
    async with at_work(Ask(routing, tracer=hall_tracer)) as hall:
        await hall.one(KEY, Question({}, meta={TRACEPARENT: PARENT, "id": "7"}), patience=1, timeout=1)
    return listener.heard


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        PARENT.upper(),
        PARENT[:-1],
        f"{PARENT}-more",
        f"ff{PARENT[2:]}",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"01{PARENT[2:]}-" + "x" * 300,
    ],
)
def test_what_breaks_the_rules_is_ignored(header):
    assert "" == checked_traceparent(header)


def test_a_later_version_is_read_as_far_as_it_is_known():
    assert PARENT == checked_traceparent(PARENT)
    assert f"cc{PARENT[2:]}" == checked_traceparent(f"cc{PARENT[2:]}-what-comes")


async def test_without_opentelemetry_a_trace_passes_through():
    assert [PARENT] == await asked(None)


def exported():
    """A provider whose spans are kept, and where they are."""
    if importlib.util.find_spec("opentelemetry") is None or importlib.util.find_spec(SDK) is None:
        pytest.skip("pip install opentelemetry-sdk")
    exporting = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    sdk = importlib.import_module("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    spans, provider = exporting.InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(spans))
    return provider, spans


async def test_with_it_the_replica_hears_of_our_span():
    provider, spans = exported()
    importlib.import_module("opentelemetry.trace").set_tracer_provider(provider)

    [heard] = await asked(tracer())

    [span] = spans.get_finished_spans()
    assert f"00-{TRACE}-{span.context.span_id:016x}-01" == heard
    assert int(TRACE, 16) == span.context.trace_id
    assert int(PARENT.split("-")[2], 16) == span.parent.span_id
    assert ("echo", "1.0.0", 0.5) == tuple(
        span.attributes[f"headrace.{name}"] for name in ("model", "version", "model_ms")
    )


async def spanned(ways):
    """What a replica that counts heard of the caller's trace, and the spans around it, after `ways` has asked."""
    provider, spans = exported()
    routing, counter = Routing(Demand()), Hearing()
    routing.add(KEY, Replica("one", counter))
    async with at_work(Ask(routing, tracer=Tracer(provider.get_tracer("test")))) as hall:
        await asyncio.sleep(0)  # its loop has begun
        await asyncio.sleep(0)
        await ways(hall)
    return counter.heard, spans.get_finished_spans()


class Hearing(Counter):
    def __init__(self):
        super().__init__()
        self.heard = []

    async def run(self, questions, timeout):
        self.heard += [question.meta.get(TRACEPARENT) for question in questions]
        async for answer in super().run([msgspec.structs.replace(one, stream=True) for one in questions], timeout):
            yield answer


def counting(**parameters):
    body = json.dumps({"parameters": parameters}).encode()
    return Question({"": body}, Form.V2_REST, meta={TRACEPARENT: PARENT, "id": "7"})


async def test_a_stream_has_a_span_until_its_last_answer():
    async def ways(hall):
        async for _ in hall.stream(KEY, counting(n=3), patience=1, timeout=30):
            pass

    [heard], [span] = await spanned(ways)

    assert ("stream", f"00-{TRACE}-{span.context.span_id:016x}-01") == (span.name, heard)
    assert int(PARENT.split("-")[2], 16) == span.parent.span_id
    told = {name: span.attributes[f"headrace.{name}"] for name in ("form", "answers", "model_ms", "error")}
    assert {"form": "v2-rest", "answers": 3, "model_ms": 4.0, "error": ""} == told


@pytest.mark.parametrize(("fault", "status"), [(Fault.MODEL, "ERROR"), (Fault.REQUEST, "UNSET")])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_fails_marks_its_span_and_a_mistake_of_the_caller_does_not(fault, status, stream):
    async def ways(hall):
        hall._routing.add(key, Replica("no", Refusing(fault)))  # noqa: SLF001
        if stream:
            async for _ in hall.stream(key, counting(), patience=1, timeout=30):
                pass
        else:
            await hall.one(key, counting(), patience=1, timeout=30)

    key = VersionKey("no", "1.0.0")
    _, [span] = await spanned(ways)

    assert ("SERVER", status) == (span.kind.name, span.status.status_code.name)
    assert "no to that" == span.attributes["headrace.error"]


async def test_a_stream_that_is_left_or_lost_ends_its_span():
    async def ways(hall):
        async with aclosing(hall.stream(KEY, counting(n=3, wait=1), patience=1, timeout=30)) as answers:
            await anext(answers)
        with pytest.raises(ModelFailed):
            async for _ in hall.stream(KEY, counting(n=3, die=1), patience=5, timeout=30):
                pass

    _, spans = await spanned(ways)

    left, lost = spans
    assert ("UNSET", "ERROR") == (left.status.status_code.name, lost.status.status_code.name)
    assert "exception" == lost.events[0].name


async def test_a_request_of_a_sequence_has_a_span():
    async def ways(hall):
        await hall.in_sequence(KEY, counting(), Step("team", 7, start=True, end=True), patience=1, timeout=30)

    [heard], [span] = await spanned(ways)

    assert ("sequence", f"00-{TRACE}-{span.context.span_id:016x}-01") == (span.name, heard)
