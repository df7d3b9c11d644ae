"""pytriton's client of decoupled models, and its access token."""

import numpy as np
from pytriton.client import DecoupledModelClient
from pytriton.client.exceptions import PyTritonClientInferenceServerError
from said import check, refused, same, server

SERVER = server()
URL = f"grpc://{SERVER.grpc}"

with check("decoupled"), DecoupledModelClient(URL, "repeat", init_timeout_s=20) as client:
    found = list(client.infer_sample(IN=np.array([4, 5, 6], np.int32)))
    same([4, 5, 6], [int(one["OUT"][0]) for one in found])
with (
    check("decoupled: its error"),
    DecoupledModelClient(URL, "repeat", init_timeout_s=20) as client,
    refused(PyTritonClientInferenceServerError, "beast"),
):
    list(client.infer_sample(IN=np.array([666], np.int32)))
