"""A version whose replicas do not start: neither the request's fault nor the model's answer. Another try may help."""

import grpc.aio
import pytest
from rooms.api.grpc.peers import listening
from rooms.api.grpc.test_calls import failure
from rooms.api.house import house
from rooms.api.oip.conftest import in_memory
from rooms.api.oip.served import publish, request, served
from rooms.api.openai.test_openai_routes import PLAIN, WRITER

from headrace.api.oip.grpc import services
from headrace.api.oip.proto import inference_pb2 as pb
from headrace.domain.clock import now
from headrace.domain.errors import LimitReached, ModelFailed
from headrace.domain.ids import VersionKey
from headrace.fleet.routing import Trouble

WHY = "the model could not be loaded: No module named 'torch'"
SAID = f"no replica of this model starts: {WHY}"


@pytest.fixture(params=[ModelFailed, LimitReached])
async def home(tmp_path, request):
    async with house(tmp_path) as found:
        for name, tensors in (("echo", PLAIN), ("writer", WRITER)):
            key = VersionKey(await publish(found, name, tensors=tensors), "1.0.0")
            found.routing.tell(key, Trouble(request.param(WHY, technical="Traceback"), now() + 30_000))
        yield found


WAYS = [
    ("/v2/models/echo/infer", request()),
    ("/v2/models/echo/infer_stream", request()),
    ("/v2/models/writer/infer_stream", request()),
    ("/v2/models/echo/generate", {"text_input": "hi"}),
    ("/v2/models/writer/generate_stream", {"text_input": "hi"}),
    ("/v1/completions", {"model": "echo", "prompt": "hi"}),
    ("/v1/completions", {"model": "writer", "prompt": "hi", "stream": True}),
]


@pytest.mark.parametrize("way", ["app", "fast path"])
@pytest.mark.parametrize(("path", "body"), WAYS)
async def test_rest(home, path, body, way):
    async with in_memory(home) as app, served(home) as wire, wire.client() as fast:
        answer = await (app if way == "app" else fast).post(path, json=body)
    said = answer.json()["error"]
    assert (503, SAID) == (answer.status_code, said["message"] if path.startswith("/v1") else said)
    assert 25 <= int(answer.headers["retry-after"]) <= 30


async def test_grpc(home):
    metadata = (("authorization", f"ApiKey {home.key}"),)
    asked = pb.ModelInferRequest(model_name="echo")
    async with (
        listening(services.door(home.rooms)) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer", pb.ModelInferRequest.SerializeToString
        )
        for _ in range(2):  # the second one is known already
            assert (grpc.StatusCode.UNAVAILABLE, SAID) == await failure(infer(asked, metadata=metadata))
