"""Every method of the protocol through a real client, with real rooms behind; the replica is a function."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import grpc
import grpc.aio
import pytest
from rooms.api.grpc.peers import listening
from rooms.api.house import RUNS

from headrace.api.callers import GRPC_TOKEN
from headrace.api.grpc import reflection
from headrace.api.grpc.proto import health_pb2, reflection_v1_pb2, reflection_v1alpha_pb2
from headrace.api.grpc.table import HEALTH
from headrace.api.oip.grpc import services
from headrace.api.oip.proto import inference_pb2 as pb
from headrace.api.oip.proto import model_repository_pb2
from headrace.api.oip.proto.model_config_pb2 import DataType
from headrace.dialects.dialect import ReplicaInfo
from headrace.dialects.slots import Lent, Slots
from headrace.domain.body import Slot
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey
from headrace.domain.model import Scope, Visibility
from headrace.domain.question import Answer, Fault, Form, Output
from headrace.domain.tensor import TensorModel, TensorSpec
from headrace.domain.version import VersionStatus
from headrace.settings import AccountSettings

TENSORS = TensorModel(
    "onnxruntime_onnx", (TensorSpec("x", "FP32", (-1, 4)),), (TensorSpec("y", "BYTES", (-1, 4)),), max_batch_size=8
)


class Echo:
    """A replica: the answer has the request's id and raw contents. Some ids make it say something else."""

    def __init__(self):
        self.kinds = []  # in what its questions lay

    async def ready(self, _timeout):
        return ReplicaInfo(tensors=TENSORS)

    async def run(self, questions, _timeout):
        for question in questions:
            assert Form.V2_GRPC == question.form
            body = question.inputs[""]
            self.kinds.append(type(body))
            request = pb.ModelInferRequest.FromString(bytes(body.view) if isinstance(body, Slot) else body)
            yield self._answer(request)

    def _answer(self, request):
        at = now()
        if request.id == "nothing":
            return Answer(at, now(), 1.0)
        if request.id.startswith("fault "):
            fault, _, status = request.id.removeprefix("fault ").partition(" ")
            meta = {"status": status} if status else {}
            return Answer(at, now(), 1.0, error="it says no", fault=Fault(fault), meta=meta)
        response = pb.ModelInferResponse(model_name=request.model_name, model_version="1.0.0", id=request.id)
        response.outputs.add(name="y", datatype="BYTES", shape=[1, 4])
        response.raw_output_contents.extend(request.raw_input_contents)
        return Answer(at, now(), 1.0, {"": Output(response.SerializeToString(), "application/grpc")})

    def close(self):
        pass


class Stub:
    """One method a call, as generated stubs have them."""

    def __init__(self, channel, key, service, module=pb):
        self._channel, self._service, self._module = channel, service, module
        self.metadata = (("authorization", f"ApiKey {key}"),) if key else ()

    def __getattr__(self, name):
        method = self._channel.unary_unary(
            f"/{self._service}/{name}",
            request_serializer=lambda request: request.SerializeToString(),
            response_deserializer=getattr(self._module, f"{name}Response").FromString,
        )
        return lambda request=None, **more: method(
            request or getattr(self._module, f"{name}Request")(), metadata=self.metadata, timeout=10, **more
        )


@asynccontextmanager
async def opened(home):
    async with listening(services.door(home.rooms)) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel


@pytest.fixture
async def channel(home):
    async with opened(home) as found:
        yield found


@pytest.fixture
def triton(channel, home):
    return Stub(channel, home.key, services.OIP)


@pytest.fixture
async def model(client, home):
    home.talker = Echo()
    found = await home.publish(client, "iris")
    await home.rooms.versions.change(VersionKey(found, "1.0.0"), lambda one: replace(one, tensors=TENSORS), now())
    seen = Visibility(Scope.ACCOUNT)
    await home.rooms.models.change(found, lambda one: replace(one, visibility=seen), now())
    return found


@pytest.fixture
async def asks(channel, home):
    """A key that may ask, and no more."""
    return Stub(channel, await home.key_of("runs@example.com", *RUNS), services.OIP)


async def failure(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details()


def request(identifier="", name="iris", **more):
    found = pb.ModelInferRequest(model_name=name, id=identifier, raw_input_contents=[b"abcd"], **more)
    found.inputs.add(name="x", datatype="FP32", shape=[1, 1])
    return found


async def test_the_server_is_asked_without_a_key(channel) -> None:
    nobody = Stub(channel, "", services.OIP)

    assert (await nobody.ServerLive()).live
    assert (await nobody.ServerReady()).ready
    assert "headrace" == (await nobody.ServerMetadata()).name
    assert {"model_repository", "trace"} <= set((await nobody.ServerMetadata()).extensions)


async def test_everything_else_needs_a_key(channel) -> None:
    nobody = Stub(channel, "", services.OIP)
    for name in ("ModelReady", "ModelMetadata", "ModelInfer", "ModelConfig", "RepositoryIndex", "LogSettings"):
        assert grpc.StatusCode.UNAUTHENTICATED == (await failure(getattr(nobody, name)()))[0]


@pytest.mark.usefixtures("model")
async def test_infer(asks) -> None:
    answer = await asks.ModelInfer(request("42"))

    assert ("iris", "1.0.0", "42", [b"abcd"]) == (
        answer.model_name,
        answer.model_version,
        answer.id,
        list(answer.raw_output_contents),
    )


@pytest.mark.usefixtures("model")
async def test_a_large_message_lies_where_the_replica_reads_it(home) -> None:
    """From the second one in the same words on, while the first one's permit is good."""
    home.rooms = replace(home.rooms, slots=Slots(64 << 20))
    async with opened(home) as channel, asyncio.timeout(30):
        asks, number = Stub(channel, home.key, services.OIP), 0
        while Lent not in home.talker.kinds:
            number += 1
            raw = number.to_bytes(4) * 100_000
            asked = request()
            asked.raw_input_contents[0] = raw
            assert [raw] == list((await asks.ModelInfer(asked)).raw_output_contents)

    assert bytes is home.talker.kinds[0]
    assert home.rooms.slots.held


@pytest.mark.parametrize("version", ["", "1", "1.0.0"])
async def test_versions_by_text_or_number(asks, model, version: str) -> None:
    assert "iris" == (await asks.ModelInfer(request(model_version=version))).model_name
    assert model == (await asks.ModelInfer(request(name=model, model_version=version))).model_name


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("fault request", grpc.StatusCode.INVALID_ARGUMENT),
        ("fault unsupported", grpc.StatusCode.UNIMPLEMENTED),
        ("fault model", grpc.StatusCode.INTERNAL),
        ("fault model 422", grpc.StatusCode.FAILED_PRECONDITION),
        ("fault model 799", grpc.StatusCode.INTERNAL),
    ],
)
async def test_what_the_replica_refuses(asks, said: str, code) -> None:
    assert (code, "it says no") == await failure(asks.ModelInfer(request(said)))


@pytest.mark.usefixtures("model")
async def test_an_answer_that_holds_nothing_is_an_error(asks) -> None:
    """Also where a call goes without a coroutine, as the second one does."""
    for _ in range(2):
        found = await failure(asks.ModelInfer(request("nothing")))
        assert (grpc.StatusCode.INTERNAL, "the model's answer holds nothing") == found


@pytest.mark.usefixtures("model")
async def test_what_the_front_refuses(asks) -> None:
    unknown = "Request for unknown model: 'nope' is not found"
    broken = "the message is not a ModelInferRequest: its bytes cannot be read"

    assert (grpc.StatusCode.NOT_FOUND, unknown) == await failure(asks.ModelInfer(request(name="nope")))
    assert grpc.StatusCode.NOT_FOUND == (await failure(asks.ModelInfer(request(model_version="abc"))))[0]
    assert (grpc.StatusCode.INVALID_ARGUMENT, broken) == await failure(asks.ModelInfer(Raw(b"\xff\xff")))
    assert grpc.StatusCode.INVALID_ARGUMENT == (await failure(asks.ModelMetadata(Raw(b"\x0a\x05a"))))[0]


class Raw(bytes):
    __slots__ = ()

    def SerializeToString(self):  # noqa: N802 - protobuf's name
        return bytes(self)


@pytest.mark.usefixtures("model")
async def test_about_a_model(asks) -> None:
    named = {"name": "iris"}
    metadata = await asks.ModelMetadata(pb.ModelMetadataRequest(**named))
    config = (await asks.ModelConfig(pb.ModelConfigRequest(**named))).config

    assert (await asks.ModelReady(pb.ModelReadyRequest(**named))).ready
    assert ("iris", ["1.0.0"], "onnxruntime_onnx") == (metadata.name, list(metadata.versions), metadata.platform)
    assert [("x", "FP32", [-1, 4])] == [(one.name, one.datatype, list(one.shape)) for one in metadata.inputs]
    assert (8, ["TYPE_STRING"], [4]) == (
        config.max_batch_size,
        [DataType.Name(one.data_type) for one in config.output],
        list(config.input[0].dims),
    )  # fmt: skip
    assert "dynamic_batching" == config.WhichOneof("scheduling_choice")


async def test_about_an_unknown_model(asks) -> None:
    assert not (await asks.ModelReady(pb.ModelReadyRequest(name="nope"))).ready
    for name in ("ModelMetadata", "ModelConfig", "ModelStatistics"):
        code, said = await failure(getattr(asks, name)(getattr(pb, f"{name}Request")(name="nope")))
        assert (grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'nope' is not found") == (code, said)


@pytest.mark.usefixtures("model")
async def test_statistics(asks) -> None:
    await asks.ModelInfer(request())
    await failure(asks.ModelInfer(request("fault model")))
    for named in ({}, {"name": "iris"}, {"name": "iris", "version": "1"}):
        [found] = (await asks.ModelStatistics(pb.ModelStatisticsRequest(**named))).model_stats
        assert ("iris", "1.0.0") == (found.name, found.version)
        assert (1, 1) == (found.inference_stats.success.count, found.inference_stats.fail.count)


@pytest.mark.usefixtures("model")
async def test_the_index(triton) -> None:
    index = (await triton.RepositoryIndex()).models
    code, said = await failure(triton.RepositoryIndex(pb.RepositoryIndexRequest(repository_name="r")))

    assert [("iris", "1.0.0", "READY")] == [(one.name, one.version, one.state) for one in index]
    assert (grpc.StatusCode.UNIMPLEMENTED, "'repository_name' specification is not supported") == (code, said)


async def test_load_and_unload_in_tritons_and_in_kserves_form(triton, home, model) -> None:
    load, unload = pb.RepositoryModelLoadRequest, pb.RepositoryModelUnloadRequest
    key = VersionKey(model, "1.0.0")
    unloaded = await triton.RepositoryModelUnload(unload(model_name="iris"))
    assert ("iris", True) == (unloaded.model_name, unloaded.isUnloaded)
    assert VersionStatus.INACTIVE == (await home.rooms.versions.get(key)).status

    kserve = await triton.RepositoryModelUnload(unload(repository_name="iris"))
    assert ("iris", True) == (kserve.model_name, kserve.isUnloaded)
    assert grpc.StatusCode.NOT_FOUND == (await failure(triton.RepositoryModelLoad(load(model_name="nope"))))[0]

    changed = load(model_name="iris")
    changed.parameters["config"].string_param = "{}"
    assert grpc.StatusCode.INVALID_ARGUMENT == (await failure(triton.RepositoryModelLoad(changed)))[0]
    changed.parameters["file:1/model.py"].string_param = "%%"
    code, said = await failure(triton.RepositoryModelLoad(changed))
    assert (grpc.StatusCode.INVALID_ARGUMENT, True) == (code, "is not base64" in said)


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("parameter", "shown"), [({"string_param": "x"}, '"x"'), ({"int64_param": 1}, "1"), ({"bytes_param": b"x"}, "b'x'")]
)
async def test_a_parameter_of_unload_of_another_type(triton, parameter, shown) -> None:
    said = {"unload_dependents": pb.ModelRepositoryParameter(**parameter)}
    code, details = await failure(
        triton.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="iris", parameters=said))
    )
    expected = f"the parameter unload_dependents should be true or false, not {shown}"
    assert (grpc.StatusCode.INVALID_ARGUMENT, expected) == (code, details)


@pytest.mark.usefixtures("model")
async def test_who_may_not_deploy_does_not_unload(asks) -> None:
    code, _ = await failure(asks.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="iris")))

    assert grpc.StatusCode.PERMISSION_DENIED == code


@pytest.mark.usefixtures("model")
async def test_mlservers_repository_service(channel, home) -> None:
    seldon = Stub(channel, home.key, services.SELDON, model_repository_pb2)

    assert ["iris"] == [one.name for one in (await seldon.RepositoryIndex()).models]
    await seldon.RepositoryModelUnload(model_repository_pb2.RepositoryModelUnloadRequest(model_name="iris"))


async def test_log_settings(triton, asks) -> None:
    change = pb.LogSettingsRequest()
    change.settings["log_verbose_level"].uint32_param = 0
    told = (await triton.LogSettings(change)).settings

    assert ("default", 0) == (told["log_format"].string_param, told["log_verbose_level"].uint32_param)
    assert set(told) == set((await asks.LogSettings()).settings)
    assert grpc.StatusCode.PERMISSION_DENIED == (await failure(asks.LogSettings(change)))[0]


@pytest.mark.usefixtures("model")
async def test_trace_settings(triton) -> None:
    change = pb.TraceSettingRequest(model_name="iris")
    change.settings["trace_rate"].value.append("7")
    change.settings["trace_level"].value.extend(["TIMESTAMPS", "TENSORS"])
    told = (await triton.TraceSetting(change)).settings
    back = pb.TraceSettingRequest(model_name="iris")
    back.settings["trace_rate"].SetInParent()

    assert (["7"], ["TIMESTAMPS", "TENSORS"]) == (list(told["trace_rate"].value), list(told["trace_level"].value))
    assert ["1000"] == list((await triton.TraceSetting()).settings["trace_rate"].value)
    assert ["1000"] == list((await triton.TraceSetting(back)).settings["trace_rate"].value)


async def test_shared_memory_is_not_offered(asks) -> None:
    for kind in ("System", "Cuda"):
        status = getattr(asks, f"{kind}SharedMemoryStatus")
        assert not (await status()).regions
        await getattr(asks, f"{kind}SharedMemoryUnregister")()
        unknown = getattr(pb, f"{kind}SharedMemoryStatusRequest")(name="r")
        assert grpc.StatusCode.NOT_FOUND == (await failure(status(unknown)))[0]
        assert grpc.StatusCode.UNIMPLEMENTED == (await failure(getattr(asks, f"{kind}SharedMemoryRegister")()))[0]


async def test_health(channel) -> None:
    check = channel.unary_unary(f"/{HEALTH}/Check", response_deserializer=health_pb2.HealthCheckResponse.FromString)
    watch = channel.unary_stream(f"/{HEALTH}/Watch", response_deserializer=health_pb2.HealthCheckResponse.FromString)(
        b""
    )

    assert health_pb2.HealthCheckResponse.SERVING == (await check(b"")).status
    assert health_pb2.HealthCheckResponse.SERVING == (await watch.read()).status
    watch.cancel()


@pytest.mark.parametrize("module", [reflection_v1_pb2, reflection_v1alpha_pb2])
async def test_reflection(channel, module) -> None:
    service = next(name for name, one in reflection.VERSIONS.items() if one is module)
    questions = [
        module.ServerReflectionRequest(list_services=""),
        module.ServerReflectionRequest(file_containing_symbol="inference.GRPCInferenceService"),
        module.ServerReflectionRequest(file_by_filename="health.proto"),
        module.ServerReflectionRequest(file_containing_symbol="no.such.Thing"),
    ]
    call = channel.stream_stream(
        f"/{service}/ServerReflectionInfo",
        request_serializer=module.ServerReflectionRequest.SerializeToString,
        response_deserializer=module.ServerReflectionResponse.FromString,
    )(iter(questions))
    listed, file, by_name, unknown = [answer async for answer in call]

    assert {services.OIP, HEALTH} < {one.name for one in listed.list_services_response.service}
    assert 2 == len(file.file_descriptor_response.file_descriptor_proto)  # with model_config.proto
    assert 1 == len(by_name.file_descriptor_response.file_descriptor_proto)
    assert 5 == unknown.error_response.error_code


async def test_every_method_of_the_proto_is_there(home) -> None:
    known = services.methods(home.rooms)
    for module in (pb, health_pb2, model_repository_pb2, reflection_v1_pb2, reflection_v1alpha_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                assert f"/{service.full_name}/{method.name}" in known


@pytest.mark.usefixtures("model")
async def test_the_key_as_pytriton_sends_it(channel, home) -> None:
    """It is read for every method: also where a call goes without a coroutine, and with parameters of its own."""
    token = Stub(channel, "", services.OIP)
    token.metadata = ((GRPC_TOKEN, home.key),)
    parameters = {"sequence_id": pb.InferParameter(int64_param=1)}

    assert "iris" == (await token.ModelMetadata(pb.ModelMetadataRequest(name="iris"))).name
    for _ in range(3):
        assert "42" == (await token.ModelInfer(request("42"))).id
        assert "43" == (await token.ModelInfer(request("43", parameters=parameters))).id
    token.metadata = ((GRPC_TOKEN, "a.b"),)
    assert grpc.StatusCode.UNAUTHENTICATED == (await failure(token.ModelInfer(request("42"))))[0]


@pytest.mark.usefixtures("model")
async def test_a_wrong_token_opens_no_open_door(home) -> None:
    accounts = AccountSettings(open=True, admin_email="admin@example.com")
    settings = replace(home.rooms.settings, accounts=accounts)
    async with opened(replace(home, rooms=replace(home.rooms, settings=settings))) as channel:
        stub = Stub(channel, "", services.OIP)
        assert grpc.StatusCode.NOT_FOUND == (await failure(stub.ModelInfer(request("42", "nope"))))[0]
        stub.metadata = ((GRPC_TOKEN, "a.b"),)
        assert grpc.StatusCode.UNAUTHENTICATED == (await failure(stub.ModelInfer(request("42"))))[0]
