"""ModelStreamInfer: many requests on one stream, answered as they finish, errors among them."""

import grpc
import grpc.aio
import pytest
from rooms.api.grpc.test_services import asks, channel, model, request  # noqa: F401 - fixtures

from headrace.api.oip.grpc import services
from headrace.api.oip.grpc.proto import inference_pb2 as pb


@pytest.fixture
def streamed(channel, asks, model):  # noqa: F811, ARG001 - the fixtures
    def call(*requests, response=pb.ModelStreamInferResponse, **metadata):
        return channel.stream_stream(
            f"/{services.OIP}/ModelStreamInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=response.FromString,
        )(iter(requests), metadata=[*asks.metadata, *metadata.items()], timeout=10)

    return call


async def test_each_request_gets_its_answer(streamed) -> None:
    numbers = {str(number) for number in range(100)}
    answers = [answer async for answer in streamed(*map(request, sorted(numbers)))]

    assert numbers == {answer.infer_response.id for answer in answers}
    assert {""} == {answer.error_message for answer in answers}
    assert all(answer.infer_response.parameters["triton_final_response"].bool_param for answer in answers)
    assert all([b"abcd"] == list(answer.infer_response.raw_output_contents) for answer in answers)


async def test_an_error_is_an_answer_and_the_stream_goes_on(streamed) -> None:
    call = streamed(request("bad", name="nope"), request("fault model"), request("good"))
    answers = {answer.infer_response.id: answer async for answer in call}

    assert "Request for unknown model: 'nope' is not found" == answers["bad"].error_message
    assert "" == answers["bad"].infer_response.model_name
    assert "it says no" == answers["fault model"].error_message
    assert "iris" == answers["fault model"].infer_response.model_name
    assert answers["fault model"].infer_response.parameters["triton_final_response"].bool_param
    assert "" == answers["good"].error_message


async def test_an_error_ends_the_stream_where_the_client_wants_that(streamed) -> None:
    call = streamed(request("bad", name="nope"), triton_grpc_error="true")

    assert grpc.StatusCode.NOT_FOUND == await call.code()


async def test_mlservers_form(streamed) -> None:
    call = streamed(request("7"), response=pb.ModelInferResponse, **{"mlserver-stream": "true"})

    assert ["iris"] == [answer.model_name async for answer in call]


async def test_an_empty_stream(streamed) -> None:
    assert [] == [answer async for answer in streamed()]
