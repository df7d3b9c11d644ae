"""pytriton's clients. The server must be open: they ask for readiness and configuration without headers."""

import asyncio

import numpy as np
from pytriton.client import AsyncioModelClient, FuturesModelClient, ModelClient
from pytriton.client.exceptions import PyTritonClientError, PyTritonClientInferenceServerError
from said import check, numbers, refused, same, server

SERVER = server()
URLS = {"http": f"http://{SERVER.http}", "grpc": f"grpc://{SERVER.grpc}"}
ROW = np.arange(16, dtype=np.int32)
ONES = np.ones(16, np.int32)


def sums(answer, first, second):
    same(first + second, answer["OUTPUT0"])
    same(first - second, answer["OUTPUT1"])


def plain(scheme, url):
    with ModelClient(url, "simple", init_timeout_s=20) as client:
        with check(f"{scheme}: wait for the model"):
            client.wait_for_model(20)
        with check(f"{scheme}: configuration"):
            config = client.model_config
            same(("simple", 8), (config.model_name, config.max_batch_size))
            same(["INPUT0", "INPUT1"], [one.name for one in config.inputs])
            assert client.is_batching_supported
        with check(f"{scheme}: infer_sample"):
            sums(client.infer_sample(ROW, ONES), ROW, ONES)
        with check(f"{scheme}: infer_sample by name"):
            sums(client.infer_sample(INPUT0=ROW, INPUT1=ONES), ROW, ONES)
        with check(f"{scheme}: infer_batch"):
            rows = np.stack([ROW, ROW + 1, ROW + 2])
            ones = np.stack([ONES] * 3)
            sums(client.infer_batch(rows, ones), rows, ones)
        with check(f"{scheme}: a model without a batch"), ModelClient(url, "vector", init_timeout_s=20) as other:
            same(numbers("FP32", (6,)), other.infer_sample(numbers("FP32", (6,)))["OUTPUT"])
        with (
            check(f"{scheme}: the server's error is told"),
            refused(PyTritonClientInferenceServerError, "must be <= 8"),
        ):
            client.infer_batch(np.zeros((9, 16), np.int32), np.zeros((9, 16), np.int32))
    with check(f"{scheme}: by version"), ModelClient(url, "simple", "1", init_timeout_s=20) as client:
        sums(client.infer_sample(ROW, ONES), ROW, ONES)
    with check(f"{scheme}: an unknown model"), refused(PyTritonClientError, "nosuchmodel"):
        ModelClient(url, "nosuchmodel", lazy_init=False, init_timeout_s=0.5)


def futures(scheme, url):
    with check(f"{scheme}: futures"), FuturesModelClient(url, "simple", max_workers=4) as client:
        found = [client.infer_sample(ROW + number, ONES) for number in range(16)]
        for number, one in enumerate(found):
            sums(one.result(20), ROW + number, ONES)


async def aio(scheme, url):
    with check(f"{scheme}: asyncio"):
        async with AsyncioModelClient(url, "simple", init_timeout_s=20) as client:
            answers = await asyncio.gather(*(client.infer_sample(ROW + number, ONES) for number in range(16)))
            for number, answer in enumerate(answers):
                sums(answer, ROW + number, ONES)


for name, where in URLS.items():
    plain(name, where)
    if name == "http":  # with grpc this client of theirs fails against Triton too: it speaks gRPC to its HTTP parser
        futures(name, where)
    asyncio.run(aio(name, where))
