"""ModelStreamInfer with models that give any number of answers to a request."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import grpc
import grpc.aio
import pytest
from rooms.api.grpc.test_services import channel  # noqa: F401 - a fixture
from rooms.inference.counting import COUNTS, Counter, until

from headrace.api.oip.grpc import services
from headrace.api.oip.proto import inference_pb2 as pb
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey
from headrace.fleet.seat import Replica

END = "triton_enable_empty_final_response"


@pytest.fixture
def counter():
    return Counter()


@pytest.fixture
async def model(client, home, counter):
    home.talker = counter
    found = await home.publish(client, "counts")
    key = VersionKey(found, "1.0.0")
    await home.rooms.versions.change(key, lambda one: replace(one, tensors=COUNTS), now())
    return key


@pytest.fixture
def streamed(channel, home, model):  # noqa: F811, ARG001 - the fixtures
    def call(requests, response=pb.ModelStreamInferResponse, **metadata):
        return channel.stream_stream(
            f"/{services.OIP}/ModelStreamInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=response.FromString,
        )(requests, metadata=[("authorization", f"ApiKey {home.key}"), *metadata.items()], timeout=60)

    return call


def ask(one: str, **parameters) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="counts", id=one)
    for name, value in parameters.items():
        if isinstance(value, bool):
            request.parameters[name].bool_param = value
        else:
            request.parameters[name].int64_param = value
    return request


def seen(answer) -> tuple[str, int | None, bool]:
    response = answer.infer_response
    raw = list(response.raw_output_contents)
    final = response.parameters["triton_final_response"].bool_param
    return response.id, int.from_bytes(raw[0], "little") if raw else None, final


async def test_any_number_of_answers_in_order(streamed) -> None:
    answers = [seen(one) async for one in streamed(iter([ask("a", n=3), ask("b", n=0), ask("c", n=2, **{END: True})]))]

    assert [("a", number, False) for number in range(3)] == [one for one in answers if one[0] == "a"]
    assert [] == [one for one in answers if one[0] == "b"]
    assert [("c", 0, False), ("c", 1, False), ("c", None, True)] == [one for one in answers if one[0] == "c"]


async def test_the_end_has_name_and_version(streamed) -> None:
    [end] = [one async for one in streamed(iter([ask("a", n=0, **{END: True})]))]
    assert ("counts", "1.0.0", "a") == (
        end.infer_response.model_name,
        end.infer_response.model_version,
        end.infer_response.id,
    )


async def test_answers_come_while_others_are_made(streamed, counter) -> None:
    call = streamed(iter([ask("a", n=3, wait=1)]))
    for number in range(3):
        assert ("a", number, False) == seen(await call.read())
        counter.gate.release()
    assert grpc.aio.EOF is await call.read()


async def test_many_requests_on_one_stream(streamed) -> None:
    answers = [seen(one) async for one in streamed(iter([ask(str(n), n=n) for n in range(100)]))]

    for n in range(100):
        assert list(range(n)) == [number for one, number, _ in answers if one == str(n)]


async def test_an_error_costs_its_request_only(streamed, home, model) -> None:
    home.routing.add(model, Replica("engine-2", Counter()))  # one of the two dies
    answers = [
        one async for one in streamed(iter([ask("bad", n=5, fail=2), ask("dead", n=5, die=1), ask("good", n=2)]))
    ]

    said = {one.infer_response.id: one.error_message for one in answers if one.error_message}
    assert "no more" == said["bad"]
    assert "it died" in said["dead"]
    assert {"bad", "dead"} == set(said)
    assert [0, 1] == [number for one, number, _ in map(seen, answers) if one == "good"]
    [failed] = [one for one in answers if one.infer_response.id == "bad" and one.error_message]
    assert failed.infer_response.parameters["triton_final_response"].bool_param


async def test_an_error_ends_the_stream_where_the_client_wants_that(streamed) -> None:
    call = streamed(iter([ask("bad", n=5, fail=2)]), triton_grpc_error="true")
    assert [0, 1] == [seen(await call.read())[1] for _ in range(2)]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert (grpc.StatusCode.INTERNAL, "no more") == (caught.value.code(), caught.value.details())


async def test_mlservers_form(streamed) -> None:
    call = streamed(iter([ask("7", n=3)]), response=pb.ModelInferResponse, **{"mlserver-stream": "true"})
    assert [0, 1, 2] == [int.from_bytes(one.raw_output_contents[0], "little") async for one in call]


async def test_a_client_that_cancels_stops_the_model(streamed, home, counter, model) -> None:
    call = streamed(iter([ask("a", n=1_000_000, wait=1)]))
    await call.read()
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call.code()
    await until(lambda: counter.ended)

    await until(lambda: not home.routing.busy(model))
    assert (1, 1) == (counter.made, counter.refused)
    assert 3 == len([one async for one in streamed(iter([ask("b", n=3)]))])


async def test_one_answer_is_not_what_it_gives(channel, home, model) -> None:  # noqa: F811, ARG001 - fixtures
    """Who asks by ModelInfer is told by the replica: see tests/engines/test_streams.py."""
    config = channel.unary_unary(
        f"/{services.OIP}/ModelConfig",
        request_serializer=pb.ModelConfigRequest.SerializeToString,
        response_deserializer=pb.ModelConfigResponse.FromString,
    )
    found = await config(pb.ModelConfigRequest(name="counts"), metadata=[("authorization", f"ApiKey {home.key}")])
    assert found.config.model_transaction_policy.decoupled
