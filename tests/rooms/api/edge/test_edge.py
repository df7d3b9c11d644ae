"""The edge API's door with real rooms behind; the replica is a function. The clients' own stubs ask."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import grpc
import grpc.aio
import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from modzy.edge.proto.common.v1.common_pb2 import ModelIdentifier
from modzy.edge.proto.inferences.api.v1 import inferences_pb2 as inferences
from modzy.edge.proto.inferences.api.v1.inferences_pb2_grpc import InferenceServiceStub
from modzy.edge.proto.jobs.v1 import jobs_pb2 as jobs
from modzy.edge.proto.jobs.v1.jobs_pb2_grpc import JobServiceStub
from modzy.edge.proto.results.v1 import results_pb2 as results
from modzy.edge.proto.results.v1.results_pb2_grpc import ResultsServiceStub
from rooms.api.grpc.peers import listening
from rooms.api.house import house

from headrace.api.edge import messages, services
from headrace.api.edge.proto import edge_jobs_pb2
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Fault, Output
from headrace.settings import EdgeSettings, ServerSettings


class Edge:
    def __init__(self, home, model, channel):
        self.home, self.model, self.channel, self.talker = home, model, channel, home.talker
        self.jobs, self.results = JobServiceStub(channel), ResultsServiceStub(channel)
        self.inferences = InferenceServiceStub(channel)

    def request(self, text):
        source = inferences.InputSource(key="input.txt", text=text)
        model = ModelIdentifier(identifier=self.model, version="1.0.0")
        return inferences.InferenceRequest(model=model, inputs=[source])

    async def details(self, inference):
        return await self.inferences.GetInferenceDetails(
            inferences.InferenceIdentifier(identifier=inference.identifier)
        )

    async def job(self, *texts):
        sources = {}
        for text in texts:
            sources[text] = Struct()
            sources[text]["input.txt"] = text
        model = ModelIdentifier(identifier=self.model, version="1.0.0")
        asked = jobs.JobSubmission(model=model, input=jobs.JobInput(type="text", sources=sources))
        job = jobs.JobIdentifier(identifier=(await self.jobs.SubmitJob(asked)).job_identifier)
        async with asyncio.timeout(10):
            while (await self.jobs.GetJob(job)).status != "COMPLETE":
                await asyncio.sleep(0.01)
        return job


@asynccontextmanager
async def edge(tmp_path, settings=None, server=None):
    async with house(tmp_path, edge=settings or EdgeSettings(), server=server) as home:
        async with home.client() as client:
            model = await home.publish(client)
        async with (
            listening(services.door(home.rooms)) as port,
            grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            yield Edge(home, model, channel)


@pytest.fixture
async def here(tmp_path):
    async with edge(tmp_path) as found:
        yield found


async def until(done):
    async with asyncio.timeout(5):
        while not done():
            await asyncio.sleep(0.01)


async def refused(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


def refuses(found, monkeypatch, why):
    async def run(_questions, _timeout):
        yield Answer(now(), now(), 1.0, error=why, fault=Fault.REQUEST)

    monkeypatch.setattr(found.talker, "run", run)


async def test_who_is_not_on_this_machine_needs_a_key(tmp_path):
    settings = EdgeSettings(host="0.0.0.0")
    async with edge(tmp_path, settings) as found:
        error = await refused(found.jobs.GetJobs(jobs.JobFilter()))
        assert grpc.StatusCode.UNAUTHENTICATED == error.code()
        error = await refused(found.inferences.PerformInference(found.request("x")))
        assert grpc.StatusCode.UNAUTHENTICATED == error.code()


async def test_a_key_opens_the_door_of_a_network(tmp_path):
    async with edge(tmp_path, EdgeSettings(host="0.0.0.0")) as found:
        key = (("authorization", f"ApiKey {found.home.key}"),)
        asked = found.inferences.PerformInference(found.request("x"), metadata=key)
        assert inferences.COMPLETE == (await asked).status


async def test_without_a_key_one_may_run_but_not_rule(here):
    """The administrator with the role Developer."""
    job = await here.job("x")
    admin = await here.home.rooms.keys.principal(f"ApiKey {here.home.key}")
    found = await here.home.rooms.history.job(admin, job.identifier)
    assert (admin.user.identifier, "") == (found.user, found.key)


async def test_a_slow_inference_is_asked_for_again(here, monkeypatch):
    monkeypatch.setattr("headrace.api.edge.inferences.WAIT", 0.05)
    begun = await here.inferences.PerformInference(here.request("wait"))
    assert inferences.IN_PROGRESS == begun.status
    assert not begun.HasField("completed_at")
    assert inferences.IN_PROGRESS == (await here.details(begun)).status
    here.talker.door.set()
    async with asyncio.timeout(5):
        while (found := await here.details(begun)).status == inferences.IN_PROGRESS:
            await asyncio.sleep(0.01)
    assert b"wait" == found.result.outputs["note.txt"].data
    assert found.completed_at.ToNanoseconds() > found.submitted_at.ToNanoseconds()


async def test_what_the_model_refuses_is_the_requests_fault(here, monkeypatch):
    refuses(here, monkeypatch, "five numbers are wanted")
    error = await refused(here.inferences.PerformInference(here.request("x")))
    assert (grpc.StatusCode.INVALID_ARGUMENT, "five numbers are wanted") == (error.code(), error.details())


async def test_an_error_is_one_line_without_equals_signs(here, monkeypatch):
    refuses(here, monkeypatch, 'x="1"\ny=2')
    error = await refused(here.inferences.PerformInference(here.request("x")))
    assert "x:'1' y:2" == error.details()


async def test_who_leaves_a_stream_calls_its_inferences_off(here):
    busy = partial(here.home.routing.busy, VersionKey(here.model, "1.0.0"))
    call = here.inferences.StreamInferences()
    await call.write(here.request("wait"))
    await until(busy)
    await call.write(here.request("queued"))
    await until(lambda: sum(here.home.rooms.ask.waiting().values()))
    call.cancel()
    await until(lambda: not sum(here.home.rooms.ask.waiting().values()))


async def test_what_is_no_request_ends_the_stream_behind_those_before_it(here):
    call = here.channel.stream_stream(
        "/inferences.api.v1.InferenceService/StreamInferences",
        response_deserializer=inferences.Inference.FromString,
    )(iter([here.request("wait").SerializeToString(), b"\xff\xff"]))
    reading = asyncio.ensure_future(call.read())
    await until(lambda: here.home.routing.busy(VersionKey(here.model, "1.0.0")))
    here.talker.door.set()
    assert inferences.COMPLETE == (await reading).status
    error = await refused(call.read())
    assert (grpc.StatusCode.INVALID_ARGUMENT, True) == (error.code(), "InferenceRequest" in error.details())


async def test_outputs_that_are_no_object_stand_under_their_names(here, monkeypatch):
    async def run(questions, _timeout):
        for _ in questions:
            outputs = {
                "results.json": Output(b"[1, 12345678901]", "application/json"),
                "picture.bin": Output(b"\0\1", "application/octet-stream"),
            }
            yield Answer(now(), now(), 1.0, outputs)

    monkeypatch.setattr(here.talker, "run", run)
    job = await here.job("x")
    found = json_format.MessageToDict((await here.results.GetResults(job)).results["x"].results)
    assert {
        "results.json": [1.0, 12345678901.0],
        "picture.bin": f"/api/results/{job.identifier}/x/picture.bin",
    } == found


@pytest.mark.parametrize("begin", [b'{"a":', b'{"a":[', b'{"a":{"b":'])
@pytest.mark.parametrize("depth", [10, 15, 16, 31, 32, 200, 20_000])
async def test_what_is_nested_too_deeply_for_a_message_is_told_otherwise(here, monkeypatch, begin, depth):
    end = begin.translate(None, b'"ab:').translate(bytes.maketrans(b"{[", b"}]"))[::-1]

    async def run(questions, _timeout):
        for _ in questions:
            outputs = {"results.json": Output(begin * depth + b"1" + end * depth, "application/json")}
            yield Answer(now(), now(), 1.0, outputs)

    monkeypatch.setattr(here.talker, "run", run)
    job = await here.job("x")
    found = (await here.results.GetResults(job)).results["x"].results
    one = await here.results.GetResult(results.ResultIdentifier(job_identifier=job, input_identifier="x"))
    assert found == one.result
    if depth * len(end) <= 31:
        assert ["a"] == list(found)
    elif depth <= 200:
        assert f"/api/results/{job.identifier}/x/results.json" == found["results.json"]
    else:
        assert found["results.json"].startswith(begin.decode())  # told as text, as by HTTP


@pytest.mark.parametrize(("value", "by_path"), [(b'"\\ud800"', False), (b"1e400", True)])
async def test_what_is_json_and_no_value_here_is_told_as_text_or_by_its_path(here, monkeypatch, value, by_path):
    async def run(questions, _timeout):
        for _ in questions:
            yield Answer(now(), now(), 1.0, {"results.json": Output(b'{"a":%s}' % value, "application/json")})

    monkeypatch.setattr(here.talker, "run", run)
    job = await here.job("x")
    found = (await here.results.GetResults(job)).results["x"].results
    path = f"/api/results/{job.identifier}/x/results.json"
    assert {"results.json": path if by_path else f'{{"a":{value.decode()}}}'} == dict(found)


async def test_results_that_fit_into_no_message(tmp_path):
    server = ServerSettings(json_limit=1_200)
    async with edge(tmp_path, server=server) as found:
        job = await found.job(*(str(number) for number in range(20)))
        error = await refused(found.results.GetResults(job))
        assert grpc.StatusCode.RESOURCE_EXHAUSTED == error.code()
        assert f"/api/results/{job.identifier} of the HTTP port" in error.details()


def test_numbers_beyond_32_bits_are_told_as_the_largest():
    found = messages.filled({"total": 7, "elapsedTime": 1 << 40}, edge_jobs_pb2.JobDetails())
    assert (7, 0xFFFFFFFF) == (found.total, found.elapsed_time)


def test_states_have_the_words_that_clients_wait_for():
    assert ["COMPLETE", "CANCELLED", "FAILED", "OPEN"] == [
        messages.state_word(state) for state in ("COMPLETED", "CANCELED", "TIMEDOUT", "OPEN")
    ]
    assert ["completed", "canceled", "timedout", "OPEN", None] == [
        messages.state_asked(word) for word in ("COMPLETE", "Cancelled", "FAILED", "OPEN", "")
    ]
