"""ModelStreamInfer: many requests on one stream, answered as they finish, errors among them."""

from dataclasses import replace

import grpc
import grpc.aio
import pytest
from rooms.api.grpc.test_services import asks, channel, model, opened, request  # noqa: F401 - fixtures

from headrace.api.oip.grpc import services
from headrace.api.oip.grpc.stream_infer import StreamInfer
from headrace.api.oip.proto import inference_pb2 as pb
from headrace.domain.clock import now
from headrace.domain.errors import Invalid
from headrace.domain.ids import VersionKey
from headrace.domain.image import FolderRecipe
from headrace.settings import OipSettings


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


@pytest.mark.parametrize(("profile", "bare"), [("triton", False), ("mlserver", True)])
async def test_whose_form_answers_have_where_nothing_is_said(home, asks, model, profile, bare) -> None:  # noqa: F811, ARG001 - the fixtures
    changed = replace(home.rooms.settings, oip=OipSettings(grpc_stream_profile=profile))
    async with opened(replace(home, rooms=replace(home.rooms, settings=changed))) as channel:  # noqa: F811 - another one
        for given, wanted in ((None, bare), ("true", True), ("false", False)):
            metadata = [*asks.metadata, *([] if given is None else [("mlserver-stream", given)])]
            method = channel.stream_stream(
                f"/{services.OIP}/ModelStreamInfer",
                request_serializer=pb.ModelInferRequest.SerializeToString,
                response_deserializer=(pb.ModelInferResponse if wanted else pb.ModelStreamInferResponse).FromString,
            )
            [answer] = [one async for one in method(iter([request("7")]), metadata=metadata, timeout=30)]
            assert "iris" == (answer if wanted else answer.infer_response).model_name


def typed(identifier):
    """As MLServer's own client sends tensors."""
    made = pb.ModelInferRequest(model_name="iris", id=identifier)
    one = made.inputs.add(name="x", datatype="FP32", shape=[1])
    one.contents.fp32_contents.append(1.0)
    return made


async def test_mlservers_client_gets_mlservers_form_from_a_model_of_mlserver(home, streamed, model) -> None:  # noqa: F811
    """Without saying so; Triton's client, whose tensors are raw, gets Triton's."""
    recipe = FolderRecipe("folder", "environment", "mlserver:.")
    await home.rooms.versions.change(VersionKey(model, "1.0.0"), lambda one: replace(one, recipe=recipe), now())

    bare = streamed(typed("7"), response=pb.ModelInferResponse)
    assert [("iris", "7")] == [(answer.model_name, answer.id) async for answer in bare]
    assert ["7"] == [answer.infer_response.id async for answer in streamed(request("7"))]
    told = streamed(typed("7"), **{"mlserver-stream": "false"})
    assert ["7"] == [answer.infer_response.id async for answer in told]
    failed = streamed(typed("fault model"), response=pb.ModelInferResponse)
    assert (grpc.StatusCode.INTERNAL, "it says no") == (await failed.code(), await failed.details())


async def test_a_model_of_another_format_has_tritons_form(streamed) -> None:
    assert ["7"] == [answer.infer_response.id async for answer in streamed(typed("7"))]


def test_another_profile_is_refused() -> None:
    with pytest.raises(Invalid, match="triton or mlserver, not 'other'"):
        StreamInfer(None, None, "other")


async def test_an_empty_stream(streamed) -> None:
    assert [] == [answer async for answer in streamed()]
