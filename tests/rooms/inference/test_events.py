"""CloudEvents of inferences, at a sink that is a real HTTP server."""

import asyncio
import base64
import json
from contextlib import aclosing

import pytest
from rooms.inference.at_work import at_work
from rooms.inference.counting import Counter
from rooms.inference.sink import sink_server

from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.errors import Forbidden, Invalid, ModelFailed, Unavailable
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Form, Output, Question
from headrace.fleet.demand import Demand
from headrace.fleet.routing import Replica, Routing
from headrace.images.outbound import outbound
from headrace.inference.ask import Ask, Step
from headrace.inference.events import LARGEST, OVERHEAD, Events
from headrace.settings import TelemetrySettings

KEY = VersionKey("echo", "1.0.0")


class Echo:
    """What it is asked is its answer; "no" is refused."""

    async def ready(self, _timeout):
        return ReplicaInfo()

    async def run(self, questions, _timeout):
        for question in questions:
            body = question.inputs[""]
            if body == b"no":
                yield Answer(1, 2, 0.5, error="it says no")
            else:
                yield Answer(1, 2, 0.5, {"": Output(body, "application/json")}, meta=question.meta)

    def close(self):
        pass


@pytest.fixture
async def sink():
    async with sink_server() as found:
        yield found


def telling(url, **settings):
    events = Events(outbound(url, "telemetry.events"), TelemetrySettings(**settings), "headrace")
    routing = Routing(Demand())
    return Ask(routing, events=events), routing, events


async def asked(sink, *questions, replica=None):
    """What the sink was told."""
    hall, routing, events = telling(sink.url)
    routing.add(KEY, Replica("one", replica or Echo()))
    async with at_work(hall):
        for question in questions:
            await hall.one(KEY, question, patience=5, timeout=30)
        told = await sink.after(2 * len(questions))
    await hall.close()
    assert (2 * len(questions), 0, 0) == (events.sent, events.dropped, events.failed)
    return told


def question(body=b'{"inputs": [1]}', form=Form.V2_REST, **meta):
    return Question({"": body}, form, meta={"id": "7", "model": "Echo"} | meta)


async def test_a_request_and_its_answer(sink):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    one, other = await asked(sink, question(traceparent=trace))

    common = {
        "specversion": "1.0", "source": "/headrace/models/echo/versions/1.0.0", "subject": "Echo", "requestid": "7",
        "traceparent": trace, "datacontenttype": "application/json", "data": {"inputs": [1]},
    }  # fmt: skip
    kinds = ["io.headrace.inference.request", "io.headrace.inference.response"]
    assert kinds == [one["type"], other["type"]]
    assert one["exchange"] == other["exchange"]
    assert one["id"] != other["id"]
    assert [common] * 2 == [{key: event[key] for key in common} for event in (one, other)]
    assert "application/cloudevents+json" in sink.heads[0]


@pytest.mark.parametrize(
    ("given", "media_type"),
    [
        (question(b"\x00\xff", json="1"), "application/octet-stream"),
        (question(b"\x00\xff", Form.V2_GRPC), "application/x-protobuf"),
        (question(b'{"a": NaN}'), "application/json"),
        (question(b'{"a": "\xff"}'), "application/json"),
    ],
)
async def test_what_is_no_json_is_told_as_bytes(sink, given, media_type):
    told = await asked(sink, given)
    assert [(media_type, given.inputs[""])] * 2 == [
        (one["datacontenttype"], base64.b64decode(one["data_base64"])) for one in told
    ]


async def test_of_large_bodies_the_size_is_told(sink):
    told = await asked(sink, question(b"x" * (LARGEST + 1)))
    assert [(LARGEST + 1, False)] * 2 == [(one["payloadsize"], "data_base64" in one) for one in told]


async def test_what_the_model_says_no_to(sink):
    _, failure = await asked(sink, question(b"no"))
    assert ("io.headrace.inference.failure", {"error": "it says no"}) == (failure["type"], failure["data"])


async def test_who_gets_no_replica(sink):
    hall, _, _ = telling(sink.url)
    async with at_work(hall):
        with pytest.raises(Unavailable):
            await hall.one(KEY, question(), patience=0, timeout=30)
        _, failure = await sink.after(2)
    await hall.close()
    assert "io.headrace.inference.failure" == failure["type"]


async def test_streams_and_sequences(sink):
    counted = Question({"": json.dumps({"parameters": {"n": 2}}).encode()}, Form.V2_REST, meta={"id": "7"})
    hall, routing, _ = telling(sink.url)
    routing.add(KEY, Replica("one", Counter()))
    async with at_work(hall):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        async for _ in hall.stream(KEY, counted, patience=5, timeout=30):
            pass
        kinds = [one["type"].rpartition(".")[2] for one in await sink.after(3)]
        assert ["request", "response", "response"] == kinds
        async with aclosing(hall.stream(KEY, counted, patience=5, timeout=30)) as answers:
            await anext(answers)
        left = [one for one in await sink.after(6) if one["type"].endswith("failure")]
        assert [{"error": "its caller has gone"}] == [one["data"] for one in left]
        async with aclosing(hall.stream(KEY, question(), patience=5, timeout=30)) as answers:
            assert not (await anext(answers)).more  # the only one, and the caller leaves with it
    await hall.close()
    told = [one["type"].rpartition(".")[2] for one in await sink.after(7)]
    assert (3, 1) == (told.count("request"), told.count("failure"))


async def test_a_request_of_a_sequence(sink):
    hall, routing, _ = telling(sink.url)
    routing.add(KEY, Replica("one", Echo()))
    async with at_work(hall):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        step = Step("team", 7, start=True, end=True)
        await hall.in_sequence(KEY, question(), step, patience=5, timeout=30)
        assert 2 == len(await sink.after(2))
    await hall.close()


async def test_a_sink_that_is_away_for_a_while_misses_nothing(sink, monkeypatch):
    monkeypatch.setattr("headrace.inference.events.PAUSE", 0.01)
    monkeypatch.setattr("headrace.inference.events.TRIES", 1_000)
    hall, routing, events = telling(sink.url)
    routing.add(KEY, Replica("one", Echo()))
    sink.status = 503
    async with at_work(hall):
        async with sink.came:
            await hall.one(KEY, question(), patience=5, timeout=30)
            await sink.came.wait()
        sink.status = 202
        assert 2 == len(await sink.after(2))
    await hall.close()
    assert (0, 0) == (events.dropped, events.failed)


async def test_a_sink_that_stays_away_costs_events_and_no_answer():
    hall, routing, events = telling("http://127.0.0.1:1/", events_queue=3)
    routing.add(KEY, Replica("one", Echo()))
    async with at_work(hall):
        for _ in range(20):
            assert (await hall.one(KEY, question(), patience=5, timeout=30)).error is None
    await hall.close()
    assert 40 > events.dropped > 0
    assert 0 == events.sent
    outcomes, _ = await events.families()
    told = {sample.labels[0][1]: sample.value for sample in outcomes.samples}
    assert {"sent": 0, "dropped": events.dropped, "failed": events.failed} == told


async def test_the_queue_is_bounded_by_bytes_too(sink):
    _, _, events = telling(sink.url, events_bytes=2 * OVERHEAD + 100)
    for _ in range(3):
        with events.around(KEY, question(b"x" * 100)):
            pass
    assert 2 == events.dropped
    await events.close()
    assert 1 == len(sink.events)


async def test_what_waits_at_the_end_is_sent(sink):
    hall, _, events = telling(sink.url)
    with pytest.raises(ModelFailed), events.around(KEY, question()):
        raise ModelFailed("broken")
    await hall.close()
    assert ["request", "failure"] == [one["type"].rpartition(".")[2] for one in sink.events]


@pytest.mark.parametrize("address", ["", "ftp://a/b", "http://", "example.com/x"])
def test_what_is_no_address(address):
    with pytest.raises(Invalid, match=r"telemetry\.events"):
        outbound(address, "telemetry.events")


async def test_a_redirect_leads_nowhere(sink):
    sink.status = 307
    there = outbound(sink.url, "telemetry.events")
    with pytest.raises(Unavailable, match="status 307"):
        await there.post(b"{}", "application/json")
    await there.close()


async def test_only_the_host_that_was_named_is_asked(sink):
    there = outbound("http://localhost:1/", "telemetry.events")
    with pytest.raises(Forbidden):
        await there.http.post(sink.url)
    await there.close()
