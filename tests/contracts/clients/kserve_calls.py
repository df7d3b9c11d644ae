"""KServe's InferenceRESTClient and InferenceGRPCClient: every call of theirs, in JSON, binary and gRPC."""

import asyncio

import httpx
import numpy as np
from grpc.aio import AioRpcError
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from said import DATATYPES, check, numbers, refused, same, server

SERVER = server()
URL = f"http://{SERVER.http}"
METADATA = tuple(SERVER.headers.items())
FIRST = np.arange(16, dtype=np.int32).reshape(1, 16)
ONES = np.ones((1, 16), np.int32)


def tensor(name, datatype, array, *, binary):
    given = InferInput(name, list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def simple(*, binary, model="simple", **options):
    inputs = [tensor("INPUT0", "INT32", FIRST, binary=binary), tensor("INPUT1", "INT32", ONES, binary=binary)]
    return InferRequest(model_name=model, infer_inputs=inputs, **options)


def sums(answer, request=None):
    same("simple", answer.model_name)
    same(FIRST + ONES, answer.get_output_by_name("OUTPUT0").as_numpy())
    same(FIRST - ONES, answer.get_output_by_name("OUTPUT1").as_numpy())
    if request is not None and request.id:
        same(request.id, answer.id)


async def rest():
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        headers = dict(SERVER.headers)
        with check("REST: live"):
            assert await client.is_server_live(URL) is True
        with check("REST: ready"):
            assert await client.is_server_ready(URL) is True
        with check("REST: a model is ready"):
            assert await client.is_model_ready(URL, "simple", headers=headers) is True
        with check("REST: an unknown model is not ready"):
            assert await client.is_model_ready(URL, "nosuchmodel", headers=headers) is False
        for binary in (False, True):
            with check(f"REST: infer, binary={binary}"):
                request = simple(binary=binary)
                sums(await client.infer(URL, request, model_name="simple", headers=dict(headers)), request)
        with check("REST: binary answer"):
            outputs = [RequestedOutput(name, {"binary_data": True}) for name in ("OUTPUT0", "OUTPUT1")]
            request = simple(binary=True, request_outputs=outputs)
            came = {}
            sums(await client.infer(URL, request, "simple", headers=dict(headers), response_headers=came), request)
            same("application/octet-stream", came["content-type"])
        with check("REST: a plain dict"):
            data = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [0.5, 1.5]}]}
            answer = await client.infer(URL, data, model_name="identity", headers=dict(headers))
            same(np.array([0.5, 1.5], np.float32), answer.outputs[0].as_numpy())
        await datatypes_by_rest(client)
        with check("REST: the server's error is told"), refused(httpx.HTTPStatusError, "nosuchmodel", "404"):
            await client.infer(URL, simple(binary=True), model_name="nosuchmodel", headers=dict(headers))
        with check("REST: a malformed request is told"), refused(httpx.HTTPStatusError, "expected 2 inputs", "400"):
            await client.infer(URL, {"inputs": data["inputs"]}, model_name="simple", headers=dict(headers))


async def datatypes_by_rest(client):
    for datatype in DATATYPES:
        with check(f"REST: {datatype} binary"):
            given = [tensor("x", datatype, numbers(datatype), binary=True)]
            request = InferRequest(model_name="identity", infer_inputs=given)
            answer = await client.infer(URL, request, model_name="identity", headers=dict(SERVER.headers))
            if datatype == "BYTES":  # its own reader of BYTES is for text
                same([2, 3], answer.outputs[0].shape)
            else:
                same(numbers(datatype), answer.outputs[0].as_numpy())


async def grpc():
    async with InferenceGRPCClient(SERVER.grpc) as client:
        with check("gRPC: live"):
            assert await client.is_server_live() is True
        with check("gRPC: ready"):
            assert await client.is_server_ready() is True
        with check("gRPC: a model is ready"):
            assert await client.is_model_ready("simple", headers=METADATA) is True
        with check("gRPC: an unknown model is not ready"):
            assert await client.is_model_ready("nosuchmodel", headers=METADATA) is False
        for binary in (False, True):
            with check(f"gRPC: infer, raw={binary}"):
                request = simple(binary=binary, request_id="7")
                sums(await client.infer(request, headers=METADATA), request)
        for datatype in DATATYPES:
            with check(f"gRPC: {datatype} raw"):
                given = [tensor("x", datatype, numbers(datatype), binary=True)]
                request = InferRequest(model_name="identity", infer_inputs=given)
                answer = await client.infer(request, headers=METADATA)
                if datatype == "BYTES":  # its own reader of BYTES is for text
                    same([2, 3], answer.outputs[0].shape)
                else:
                    same(numbers(datatype), answer.outputs[0].as_numpy())
        with check("gRPC: the server's error is told"), refused(AioRpcError, "nosuchmodel", "NOT_FOUND"):
            await client.infer(simple(binary=True, model="nosuchmodel"), headers=METADATA)


asyncio.run(rest())
asyncio.run(grpc())
