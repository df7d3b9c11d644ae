"""What the operator may want besides: headers for models, MLServer's headers, a sink of events, Triton's numbers."""

import json
from contextlib import asynccontextmanager

import pytest
from rooms.api.house import house
from rooms.api.oip.conftest import in_memory
from rooms.api.oip.served import Echo, publish, request, served
from rooms.inference.sink import sink_server

from headrace.api.oip.cloudevents import CloudEvents
from headrace.api.oip.seen import Seen
from headrace.domain.errors import Invalid
from headrace.settings import OipSettings, TelemetrySettings

INFER = "/v2/models/echo/infer"
ALL = {
    "Authorization": "ApiKey a.b", "Triton-Access-Token": "a.b", "Cookie": "x=1", "Proxy-Authorization": "Basic eA==",
    "Pass": "word", "X-User": "ann", "X-Tenant": "blue",
}  # fmt: skip


@asynccontextmanager
async def asked(tmp_path, way, oip=None, **settings):
    """A client of one of the two ways, and the replica."""
    echo = Echo()
    async with house(tmp_path, oip=oip or OipSettings(), **settings) as home:
        await publish(home, dialect=echo)
        if way == "app":
            async with in_memory(home) as client:
                yield client, echo
        else:
            async with served(home) as wire, wire.client() as client:
                yield client, echo


both = pytest.mark.parametrize("way", ["app", "fast path"])


def lower(headers):
    return {name.lower().encode(): value.encode() for name, value in headers.items()}


@both
async def test_models_see_the_headers_that_they_may(tmp_path, way):
    async with asked(tmp_path, way, OipSettings(forward_headers="x-(user|tenant)")) as (client, echo):
        for user in ("ann", "ann", "ann", "bob"):
            answer = await client.post(INFER, json=request(), headers={"X-User": user, "X-Other": "no"})
            assert 200 == answer.status_code
        await client.post(INFER, json=request())
    seen = [json.loads(question.meta["headers"]) for question in echo.questions]
    assert [*[{"x-user": "ann"}] * 3, {"x-user": "bob"}, {}] == seen


@both
async def test_without_the_setting_they_see_none(tmp_path, way):
    async with asked(tmp_path, way) as (client, echo):
        await client.post(INFER, json=request(), headers={"X-User": "ann"})
    assert not {"headers", "bare"} & set(echo.questions[0].meta)


def test_a_key_is_never_seen():
    seen = Seen.of(OipSettings(forward_headers=".*", restricted=("inference:Pass=word",)))
    assert {"x-user": "ann", "x-tenant": "blue"} == json.loads(seen.told(lower(ALL)))
    metadata = {"triton-grpc-protocol-triton-access-token": "a.b", "triton-grpc-protocol-pass": "word", "x-user": "ann"}
    assert {"x-user": "ann"} == json.loads(seen.told_of(metadata))


def test_the_whole_name_has_to_match_and_the_pattern_has_to_be_one():
    assert {} == json.loads(Seen.of(OipSettings(forward_headers="user")).told(lower(ALL)))
    with pytest.raises(Invalid, match=r"oip\.forward_headers is no regular expression"):
        Seen.of(OipSettings(forward_headers="("))


@both
async def test_an_id_that_the_caller_gave_is_marked(tmp_path, way):
    async with asked(tmp_path, way) as (client, echo):
        for headers in ({}, {"X-Request-Id": "mine"}, {"X-Request-Id": "x" * 2_000}, {}):
            await client.post(INFER, json=request(), headers=headers)
    assert [None, "1", None, None] == [question.meta.get("named") for question in echo.questions]


@both
async def test_bare_numbers(tmp_path, way):
    async with asked(tmp_path, way, OipSettings(bare_numbers=True)) as (client, echo):
        for _ in range(3):
            await client.post(INFER, json=request())
    assert ["1"] * 3 == [question.meta["bare"] for question in echo.questions]


@both
async def test_mlservers_headers(tmp_path, way):
    async with asked(tmp_path, way, OipSettings(cloudevents_headers=True, server_name="mls")) as (client, _):
        for _ in range(3):
            answer = await client.post(INFER, json=request(), headers={"X-Request-Id": "42"})
        refused = await client.post(INFER, json=request(parameters={"fault": "model"}))
        generated = await client.post("/v2/models/echo/generate", json={"IN": [1, 2, 3, 4]})
    assert {
        "ce-specversion": "0.3",
        "ce-source": "io.seldon.serving.deployment.mls",
        "ce-type": "io.seldon.serving.inference.response",
        "ce-inferenceservicename": "mls",
        "ce-modelid": "echo",
        "ce-endpoint": "echo",
        "ce-id": "42",
        "ce-requestid": "42",
    } == {name: value for name, value in answer.headers.items() if name.startswith("ce-")}
    assert (500, False) == (refused.status_code, "ce-id" in refused.headers)
    assert (200, True) == (generated.status_code, "ce-id" in generated.headers)


def test_a_namespace_and_names_that_no_header_can_hold(tmp_path):
    (tmp_path / "namespace").write_text("prod\n")
    events = CloudEvents.of(OipSettings(cloudevents_headers=True), tmp_path / "namespace")
    headers = dict(events.headers("é\r\nx", b""))
    assert (b"prod", b"io.seldon.serving.deployment.headrace.prod") == (headers[b"ce-namespace"], headers[b"ce-source"])
    assert (b"%C3%A9%0D%0Ax", False) == (headers[b"ce-modelid"], b"ce-id" in headers)


@both
async def test_a_sink_gets_requests_answers_and_failures(tmp_path, way):
    async with sink_server() as sink, asked(tmp_path, way, telemetry=TelemetrySettings(events=sink.url)) as (client, _):
        for fault in ({}, {}, {}, {"fault": "model"}):
            await client.post(INFER, json=request(parameters=fault), headers={"X-Request-Id": "42"})
        told = await sink.after(8)
        metrics = (await client.get("/metrics")).text
    kinds = [one["type"].rpartition(".")[2] for one in told]
    assert (4, 3, 1) == tuple(map(kinds.count, ("request", "response", "failure")))
    assert {"42"} == {one["requestid"] for one in told}
    assert request(parameters={}) in [one["data"] for one in told]
    assert "a.b" not in json.dumps(told)
    assert 'headrace_events_total{outcome="dropped"} 0' in metrics
