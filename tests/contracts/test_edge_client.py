"""The unmodified EdgeClient of modzy-sdk on the edge port, and its generated stubs for what it has no methods for."""

import hashlib
import json
from types import SimpleNamespace

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from modzy import EdgeClient
from modzy.edge import InputSource
from modzy.edge.proto.accounting.v1.accounting_pb2 import APIKeyIdentifier
from modzy.edge.proto.common.v1.common_pb2 import ModelIdentifier
from modzy.edge.proto.inferences.api.v1 import inferences_pb2 as inferences
from modzy.edge.proto.inferences.api.v1.inferences_pb2_grpc import InferenceServiceStub
from modzy.edge.proto.jobs.v1 import jobs_pb2 as jobs
from modzy.edge.proto.jobs.v1.jobs_pb2_grpc import JobServiceStub
from modzy.edge.proto.results.v1 import results_pb2 as results
from modzy.edge.proto.results.v1.results_pb2_grpc import ResultsServiceStub
from modzy.error import ApiError

from headrace.api.edge.proto import edge_inferences_pb2, edge_jobs_pb2, edge_results_pb2

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def client(live):
    with EdgeClient("localhost", live.edge) as client:
        yield client


@pytest.fixture(scope="module")
def stubs(live):
    with grpc.insecure_channel(f"localhost:{live.edge}") as channel:
        yield SimpleNamespace(
            channel=channel,
            jobs=JobServiceStub(channel),
            results=ResultsServiceStub(channel),
            inferences=InferenceServiceStub(channel),
        )


def wait(stubs, job):
    """The job's details when it has ended."""
    for _ in range(2_000):
        found = stubs.jobs.GetJob(jobs.JobIdentifier(identifier=job))
        if found.status not in ("SUBMITTED", "IN_PROGRESS"):
            return found
    raise AssertionError(found)


def source_of(text, key="input.txt"):
    return InputSource(key=key, text=text)


def test_text_from_submission_to_result(client, live):
    job = client.jobs.submit_text(
        live.model, "1.0.0", {"first": {"input.txt": "hello"}, "bad": {"input.txt": "fail x"}}
    )
    details = client.jobs.block_until_complete(job, timeout=20)
    assert ("COMPLETE", 2, 1, 1) == tuple(details[name] for name in ("status", "total", "completed", "failed"))
    assert (live.model, "1.0.0", "echo") == tuple(details["model"][name] for name in ("identifier", "version", "name"))

    found = client.jobs.get_results(job)
    assert (job, 2, 1, 1, True) == tuple(
        found[name] for name in ("jobIdentifier", "total", "completed", "failed", "finished")
    )
    first = found["results"]["first"]
    assert {"text": "hello", "length": 5.0, "explain": False} == first["results.json"]
    assert "SUCCESSFUL" == first["status"]
    assert first["startTime"] <= first["endTime"]
    assert first["engine"]
    bad = found["failures"]["bad"]["value"]
    assert ("FAILED", True) == (bad["status"], "x" in bad["error"])


def test_bytes_as_the_documentation_sends_them(client, live):
    """Seed 2: bytes and bytearrays, several sources."""
    job = client.jobs.submit_embedded(
        live.model,
        "1.0.0",
        {
            "source-name-1": {"input.txt": b"some bytes"},
            "source-name-2": {"input.txt": bytearray([65, 66, 67, 68])},
        },
        explain=True,
    )
    client.jobs.block_until_complete(job, timeout=20)
    found = client.jobs.get_results(job)
    assert {"source-name-1": "some bytes", "source-name-2": "ABCD"} == {
        name: one["results.json"]["text"] for name, one in found["results"].items()
    }
    assert found["explained"]
    assert found["results"]["source-name-1"]["results.json"]["explain"]


def test_a_single_source_is_called_job(client, live):
    job = client.jobs.submit_text(live.model, "1.0.0", {"input.txt": "alone"})
    client.jobs.block_until_complete(job, timeout=20)
    assert ["job"] == list(client.jobs.get_results(job)["results"])


def test_the_older_methods_on_the_client_itself(client, live):
    job = client.submit_text(live.model, "1.0.0", {"input.txt": "old"})
    client.block_until_complete(job, timeout=20)
    assert "COMPLETE" == client.get_job_details(job)["status"]
    assert 3.0 == client.get_results(job)["results"]["job"]["results.json"]["length"]


def test_details_and_list(client, live):
    job = client.jobs.submit_text(live.model, "1.0.0", {"a": {"input.txt": "x"}, "b": {"input.txt": "y"}})
    details = client.jobs.get_job_details(job)
    assert {"a", "b"} == {one["identifier"] for one in details["jobInputs"]}  # a map of the protocol has no order
    assert details["submittedAt"].endswith("Z")
    everything = client.jobs.get_all_job_details()
    assert job in {one["jobIdentifier"] for one in everything["jobs"]}


def test_the_job_is_seen_by_the_platforms_own_api(client, live):
    job = client.jobs.submit_text(live.model, "1.0.0", {"input.txt": "both"})
    client.jobs.block_until_complete(job, timeout=20)
    with live.server.client() as rest:
        found = rest.get(f"/results/{job}").json()
    assert "both" == found["results"]["job"]["results.json"]["text"]


def test_errors_are_sentences_that_survive_the_client(client, live):
    with pytest.raises(ApiError, match="Model nosuchmode not found"):
        client.jobs.submit_text("nosuchmode", "1.0.0", {"input.txt": "x"})
    with pytest.raises(ApiError, match=r"Version 7\.0\.0 of model"):
        client.jobs.submit_text(live.model, "7.0.0", {"input.txt": "x"})
    with pytest.raises(ApiError, match="not found"):
        client.jobs.get_job_details("b7a5c0a4-0000-4000-8000-000000000000")
    with pytest.raises(ApiError, match="aws-s3 is not fetched by this server yet"):
        client.jobs.submit_aws_s3(
            live.model, "1.0.0", {"input.txt": {"bucket": "b", "key": "k"}}, "an-id", "a-secret", "us-east-1"
        )


def test_a_cancelled_job_ends_the_wait(client, stubs, live):
    job = client.jobs.submit_text(live.model, "1.0.0", {str(n): {"input.txt": "sleep 0.5"} for n in range(40)})
    told = stubs.jobs.CancelJob(jobs.JobIdentifier(identifier=job))
    assert "CANCELLED" == told.status
    assert "CANCELLED" == client.jobs.block_until_complete(job, timeout=5)["status"]
    assert job in {one.job_identifier for one in stubs.jobs.GetJobs(jobs.JobFilter(status="CANCELLED")).jobs}


def test_all_jobs_are_cancelled(client, stubs, live):
    job = client.jobs.submit_text(live.model, "1.0.0", {str(n): {"input.txt": "sleep 0.5"} for n in range(40)})
    assert job in {one.job_identifier for one in stubs.jobs.CancelAllJobs(Empty()).jobs}


def test_an_open_job_is_filled_in_pieces(stubs, live):
    model = ModelIdentifier(identifier=live.model, version="1.0.0")
    receipt = stubs.jobs.SubmitJob(jobs.JobSubmission(model=model))
    assert jobs.OPEN == receipt.status
    for piece in (b"one ", b"two"):
        place = {"job_identifier": receipt.job_identifier, "datasource_name": "file", "input_name": "input.txt"}
        stubs.jobs.AddInputToJob(jobs.AppendableJobInput(data=piece, **place))
    closed = stubs.jobs.CloseJob(jobs.JobIdentifier(identifier=receipt.job_identifier))
    assert (jobs.SUBMITTED, 1, 7) == (closed.status, closed.total_inputs, closed.input_byte_amount)
    wait(stubs, receipt.job_identifier)
    found = stubs.results.GetResults(jobs.JobIdentifier(identifier=receipt.job_identifier))
    assert "one two" == found.results["file"].results["text"]


def test_one_input_its_outputs_and_votes(stubs, live):
    sources = {"one": Struct()}
    sources["one"]["input.txt"] = "binary output"
    model = ModelIdentifier(identifier=live.model, version="1.0.0")
    receipt = stubs.jobs.SubmitJob(jobs.JobSubmission(model=model, input=jobs.JobInput(type="text", sources=sources)))
    assert ["one"] == list(receipt.job_inputs.identifier)
    job = jobs.JobIdentifier(identifier=receipt.job_identifier)
    wait(stubs, receipt.job_identifier)

    one = results.ResultIdentifier(job_identifier=job, input_identifier="one")
    found = stubs.results.GetResult(one)
    assert ("one", "binary output") == (found.input_name, found.result["text"])
    assert (1, 1, 0) == (found.job.total_input_count, found.job.completed_input_count, found.job.failed_input_count)
    assert 1_700_000_000 < found.start_time <= found.end_time
    assert (live.model, "1.0.0", "echo") == (found.job.model.identifier, found.job.model.version, found.job.model.name)
    assert "admin@localhost" == found.job.submitted_by == found.job.user.email
    picture = results.OutputIdentifier(result_identifier=one, output_identifier="picture.bin")
    assert bytes(range(256)) == stubs.results.GetResultOutput(picture).data
    with pytest.raises(grpc.RpcError, match=r"its outputs: results\.json, picture\.bin"):
        stubs.results.GetResultOutput(results.OutputIdentifier(result_identifier=one, output_identifier="x"))

    assert results.ResultVote.NO_VOTES == stubs.results.GetVoteForResult(one).vote
    stubs.results.UpVoteResult(one)
    assert results.ResultVote.UP == stubs.results.GetVoteForResult(one).vote
    assert 1 == stubs.results.GetResults(job).results["one"].voting.up
    stubs.results.DownVoteResult(one)
    assert (0, 1) == (stubs.results.GetResult(one).voting.up, stubs.results.GetResult(one).voting.down)
    stubs.results.ResetVotesForResult(one)
    assert results.ResultVote.NO_VOTES == stubs.results.GetVoteForResult(one).vote


def test_features_history_and_statistics(client, stubs, live):
    job = client.jobs.submit_text(live.model, "1.0.0", {"input.txt": "x"})
    assert ("8M", 500) == (
        stubs.jobs.GetFeatures(Empty()).input_chunk_maximum_size,
        stubs.jobs.GetFeatures(Empty()).maximum_input_chunks,
    )
    history = stubs.jobs.GetJobHistory(jobs.JobHistoryFilter(model_identifier=live.model, start_date="2026-01-01"))
    assert job in {one.job_identifier for one in history.jobs}
    assert not stubs.jobs.GetJobHistory(jobs.JobHistoryFilter(model_identifier="nosuchmode")).jobs
    assert [job] == [one.job_identifier for one in stubs.jobs.GetHistoryForJob(jobs.JobIdentifier(identifier=job)).jobs]
    body = {
        "model": {"identifier": live.model, "version": "1.0.0"},
        "input": {"type": "text", "sources": {"a": {"input.txt": "x"}}},
    }
    with live.server.client() as rest:
        prefix = rest.post("/jobs", json=body).json()["accessKey"]
    assert prefix in {one.access_key for one in stubs.jobs.GetStatistics(Empty()).statistics}
    assert 1 <= stubs.jobs.GetStatisticsForAccessKey(APIKeyIdentifier(prefix=prefix)).jobs_count


def test_an_inference_without_a_job(client, live):
    found = client.inferences.perform_inference(
        live.model, "1.0.0", [source_of("A sample bit of text")], explain=True, tags={"a tag key": "some tag value"}
    )
    assert inferences.COMPLETE == found.status
    assert found.identifier.startswith("inference-")
    assert (live.model, "1.0.0", "echo") == (found.model.identifier, found.model.version, found.model.name)
    assert {"a tag key": "some tag value"} == dict(found.tags)
    output = found.result.outputs["results.json"]
    assert {"text": "A sample bit of text", "length": 20, "explain": True} == json.loads(output.data)
    assert "application/json" == output.content_type
    [told] = found.inputs
    assert (20, hashlib.sha256(b"A sample bit of text").hexdigest()) == (
        told.text.size_in_bytes,
        told.text.sha256_digest,
    )
    assert 0 < found.elapsed_time.ToMilliseconds() < 20_000
    assert found == client.inferences.get_inference_details(found.identifier)


def test_a_large_inference_with_bytes(client, live):
    content = b"x" * 3_000_000
    found = client.inferences.run(live.model, "1.0.0", [InputSource(key="input.txt", data=content)])
    assert 3_000_000 == json.loads(found.result.outputs["results.json"].data)["length"]
    assert hashlib.sha256(content).hexdigest() == found.inputs[0].data.sha256_digest


def test_by_name_and_without_a_version(client, live):
    found = client.inferences.run("echo", "", [source_of("named")])
    assert (live.model, "1.0.0") == (found.model.identifier, found.model.version)


def test_an_inference_that_fails_says_why(client, live):
    found = client.inferences.run(live.model, "1.0.0", [source_of("fail on purpose")])
    assert inferences.FAILED == found.status
    assert b"on purpose" in found.result.outputs["error"].data


def test_a_wrong_inference_is_refused(client, live):
    def refused(code, words, *sources, model=live.model):
        with pytest.raises(grpc.RpcError) as caught:
            client.inferences.perform_inference(model, "1.0.0", list(sources))
        assert (code, True) == (caught.value.code(), words in caught.value.details()), caught.value

    invalid = grpc.StatusCode.INVALID_ARGUMENT
    refused(invalid, "this model takes input.txt", source_of("x", key="other.txt"))
    refused(invalid, "comes twice", source_of("x"), source_of("y"))
    refused(invalid, "has no content", InputSource(key="input.txt"))
    refused(invalid, "the input has no content")
    refused(grpc.StatusCode.NOT_FOUND, "nosuchmode", source_of("x"), model="nosuchmode")
    s3 = inferences.S3InputSource(bucket="b", path="p", access_key_id="i", access_key_secret="s")
    refused(grpc.StatusCode.UNIMPLEMENTED, "s3", InputSource(key="input.txt", s3=s3))
    with pytest.raises(grpc.RpcError, match="there is no inference"):
        client.inferences.get_inference_details("inference-unknown")


def request(live, text):
    model = ModelIdentifier(identifier=live.model, version="1.0.0")
    return inferences.InferenceRequest(model=model, inputs=[source_of(text)], tags={"text": text})


def test_the_clients_own_stream(client, live):
    found = client.inferences.stream([request(live, text) for text in ("one", "two")])
    assert ["one", "two"] == [json.loads(one.result.outputs["results.json"].data)["text"] for one in found]


def test_a_real_stream_keeps_its_order_and_goes_on_after_a_failure(stubs, live):
    texts = ["sleep 0.3", "quick", "fail on purpose", *map(str, range(50))]
    wrong = inferences.InferenceRequest(model=ModelIdentifier(identifier=live.model), tags={"text": "no inputs"})
    asked = [*(request(live, text) for text in texts), wrong, request(live, "last")]
    found = list(stubs.inferences.StreamInferences(iter(asked)))
    assert [*texts, "no inputs", "last"] == [one.tags["text"] for one in found]
    assert [inferences.FAILED] * 2 == [found[2].status, found[-2].status]
    assert b"the input has no content" in found[-2].result.outputs["error"].data
    good = [one for one in found if one.status == inferences.COMPLETE]
    assert len(texts) == len(good)
    assert all(json.loads(one.result.outputs["results.json"].data)["text"] == one.tags["text"] for one in good)


def test_the_door_describes_itself(stubs):
    found = ProtoReflectionDescriptorDatabase(stubs.channel)
    assert {"jobs.v1.JobService", "results.v1.ResultsService", "inferences.api.v1.InferenceService"} <= set(
        found.get_services()
    )
    file = found.FindFileContainingSymbol("results.v1.ResultsService")
    assert "results.v1" == file.package


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(edge_jobs_pb2, jobs), (edge_results_pb2, results), (edge_inferences_pb2, inferences)],
    ids=["jobs", "results", "inferences"],
)
def test_messages_have_the_fields_of_the_clients(ours, theirs):
    for name, message in ours.DESCRIPTOR.message_types_by_name.items():
        assert _fields(theirs.DESCRIPTOR.message_types_by_name[name]) == _fields(message)


def _fields(message):
    nested = {name: _fields(one) for name, one in message.nested_types_by_name.items()}
    return nested, {(one.number, one.name, one.json_name, one.type, one.is_repeated) for one in message.fields}
