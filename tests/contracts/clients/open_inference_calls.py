"""open-inference-openapi (sync and asyncio; it turns every number and boolean into a float) and open-inference-grpc."""

import asyncio

import grpc
import httpx
import numpy as np
from open_inference.grpc import protocol, service
from open_inference.openapi.client import AsyncOpenInferenceClient, OpenInferenceClient
from open_inference.openapi.errors import BadRequestError, NotFoundError
from open_inference.openapi.types import InferenceRequest, RequestInput, TensorData
from said import check, refused, same, server

SERVER = server()
URL = f"http://{SERVER.http}"
METADATA = tuple(SERVER.headers.items())
ROW = list(range(16))


def request(name, shape, datatype, data):
    tensor = RequestInput(name=name, shape=shape, datatype=datatype, data=TensorData.parse_obj(data))
    return InferenceRequest(inputs=[tensor])


def simple(data):
    inputs = [
        RequestInput(name=name, shape=[1, 16], datatype="INT32", data=TensorData.parse_obj(data))
        for name in ("INPUT0", "INPUT1")
    ]
    return InferenceRequest(id="7", inputs=inputs)


def outputs(answer):
    return {one.name: one.data.__root__ for one in answer.outputs}


def plain():
    client = OpenInferenceClient(base_url=URL, httpx_client=httpx.Client(headers=SERVER.headers, timeout=30))
    for name in ("check_server_liveness", "check_server_readiness", "read_server_metadata"):
        with check(name):
            getattr(client, name)()
    for name in ("check_model_readiness", "read_model_metadata"):
        with check(name):
            getattr(client, name)("simple")
    for name in ("check_model_version_readiness", "read_model_version_metadata"):
        with check(name):
            getattr(client, name)("simple", "1.0.0")
    with check("an unknown model is not ready"), refused(NotFoundError, "nosuchmodel"):
        client.check_model_readiness("nosuchmodel")
    with check("whole numbers that come as floats"):
        answer = client.model_infer("simple", request=simple(ROW))
        same(("simple", "7"), (answer.model_name, answer.id))
        same([2.0 * number for number in ROW], outputs(answer)["OUTPUT0"])
    with check("nested data, by version"):
        answer = client.model_version_infer("simple", "1.0.0", request=simple([ROW]))
        same([2.0 * number for number in ROW], outputs(answer)["OUTPUT0"])
    for datatype, data, expected in (
        ("BOOL", [True, False], [1.0, 0.0]),
        ("INT64", [1, -2], [1.0, -2.0]),
        ("UINT8", [0, 255], [0.0, 255.0]),
        ("FP32", [0.5, -1.5], [0.5, -1.5]),
        ("FP64", [0.1, 1e300], [0.1, 1e300]),
        ("BYTES", ["a", "ä😀"], ["a", "ä😀"]),
    ):
        with check(f"{datatype} as this client sends it"):
            answer = client.model_infer("identity", request=request("x", [2], datatype, data))
            same(expected, outputs(answer)["x"])
    with check("a malformed request is a BadRequestError"), refused(BadRequestError):
        client.model_infer("simple", request=request("OTHER", [1], "FP32", [1]))


async def aio():
    client = AsyncOpenInferenceClient(base_url=URL, httpx_client=httpx.AsyncClient(headers=SERVER.headers, timeout=30))
    with check("asyncio: health and metadata"):
        await client.check_server_liveness()
        await client.check_server_readiness()
        await client.check_model_readiness("simple")
        same("simple", (await client.read_model_metadata("simple")).name)
    with check("asyncio: infer"):
        answer = await client.model_infer("simple", request=simple(ROW))
        same([2.0 * number for number in ROW], outputs(answer)["OUTPUT0"])


def stubs():
    with grpc.insecure_channel(SERVER.grpc) as channel:
        stub = service.GRPCInferenceServiceStub(channel)
        with check("gRPC: live, ready, model ready"):
            assert stub.ServerLive(protocol.ServerLiveRequest()).live
            assert stub.ServerReady(protocol.ServerReadyRequest()).ready
            assert stub.ModelReady(protocol.ModelReadyRequest(name="simple"), metadata=METADATA).ready
        with check("gRPC: metadata"):
            assert stub.ServerMetadata(protocol.ServerMetadataRequest()).name
            told = stub.ModelMetadata(protocol.ModelMetadataRequest(name="simple"), metadata=METADATA)
            same(("simple", ["INPUT0", "INPUT1"]), (told.name, [one.name for one in told.inputs]))
        with check("gRPC: infer with typed contents"):
            asked = protocol.ModelInferRequest(model_name="simple", id="7")
            for name in ("INPUT0", "INPUT1"):
                asked.inputs.add(name=name, datatype="INT32", shape=[1, 16]).contents.int_contents[:] = ROW
            answer = stub.ModelInfer(asked, metadata=METADATA)
            same(("simple", "7"), (answer.model_name, answer.id))
            found = np.frombuffer(answer.raw_output_contents[0], np.int32)
            same([2 * number for number in ROW], found.tolist())


plain()
asyncio.run(aio())
stubs()
