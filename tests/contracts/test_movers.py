"""Folders of MLServer and Triton, deployed as they are by one command, and asked as their READMEs ask."""

import json
import subprocess
import sys
from types import SimpleNamespace

import httpx2
import pytest
from contracts.test_oip_clients import CLIENTS, MODELS, hear
from live import free_port, running

MLSERVER = ("mlserver==1.7.1", "uvloop<0.22")


def deploy(live, *arguments):
    command = [sys.executable, "-m", "headrace", "deploy", *arguments, "--url", live.url, "--key", live.key]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    grpc_port = free_port()
    settings = (f"server.grpc_port={grpc_port}", "fleet.engines=8")
    with running(tmp_path_factory.mktemp("movers"), *settings) as live:
        ended = deploy(live, str(MODELS / "movers"))
        assert 0 == ended.returncode, ended.stderr
        yield SimpleNamespace(http=f"127.0.0.1:{live.port}", grpc=f"127.0.0.1:{grpc_port}", key=live.key)


def infer(server, path, inputs, **more):
    headers = {"Authorization": f"ApiKey {server.key}"}
    url = f"http://{server.http}/v2/models/{path}/infer"
    return httpx2.post(url, json={"inputs": inputs, **more}, headers=headers, timeout=60, verify=False)


def test_mlservers_own_client(server):
    assert hear(MLSERVER, str(CLIENTS / "mlserver_movers.py"), json.dumps(vars(server)))


@pytest.mark.parametrize("path", ["scaled-rows", "scaled-rows/versions/v0.1.0", "scaled-rows/versions/0.1.0"])
def test_the_names_and_versions_of_the_settings_are_asked(server, path):
    one = {"name": "rows", "datatype": "FP32", "shape": [-1, 2], "data": [[1, 2], [3, 4]]}
    answer = infer(server, path, [one], id=None)
    assert (200, "0.1.0") == (answer.status_code, answer.json().get("model_version")), answer.text
    assert ([2, 2], [3, 6, 9, 12]) == (answer.json()["outputs"][0]["shape"], answer.json()["outputs"][0]["data"])


def test_a_model_of_triton_keeps_tritons_rules(server):
    inputs = [{"name": f"INPUT{n}", "datatype": "FP32", "shape": [4], "data": [n + 1] * 4} for n in (0, 1)]
    good = infer(server, "add_sub/versions/1", inputs)
    assert (200, [3.0] * 4) == (good.status_code, good.json()["outputs"][0]["data"])
    assert 400 == infer(server, "add_sub", [inputs[0], {**inputs[1], "shape": [-1]}]).status_code
