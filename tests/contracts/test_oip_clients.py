"""The unmodified Open Inference clients, each in an environment of its own, against a live server.

The scripts in clients/ print one JSON line for each check; here all of them must have gone well.
"""

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from live import free_port, running, wait_for

HERE = Path(__file__).parent
CLIENTS, MODELS = HERE / "clients", HERE / "models"
TRITON = ("nvidia-pytriton==0.7.0",)
TRITONCLIENT = ("tritonclient[all]==2.73.0", "ml_dtypes")
NEWEST_PYTHON = (3, 12)  # that all of these clients know

SCRIPTS = {
    "tritonclient.http": ("tritonclient_calls.py", "http", TRITONCLIENT),
    "tritonclient.http.aio": ("tritonclient_calls.py", "http.aio", TRITONCLIENT),
    "tritonclient.grpc": ("tritonclient_calls.py", "grpc", TRITONCLIENT),
    "tritonclient.grpc.aio": ("tritonclient_calls.py", "grpc.aio", TRITONCLIENT),
    "kserve": ("kserve_calls.py", "", ("kserve==0.21.0",)),
    "mlserver infer": ("mlserver_calls.py", "", ("mlserver==1.7.1", "uvloop<0.22")),
    "pytriton": ("pytriton_calls.py", "", TRITON),
    "open-inference": (
        "open_inference_calls.py",
        "",
        ("open-inference-openapi==2.0.0.1", "open-inference-grpc==2.0.0", "grpcio", "protobuf<7", "numpy"),
    ),
}


def python_of(packages, *arguments):
    """A command that runs Python in an environment of its own, made by uv."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("needs uv: pip install uv")
    version = "{}.{}".format(*min(sys.version_info[:2], NEWEST_PYTHON))
    wanted = [part for package in packages for part in ("--with", package)]
    return [uv, "run", "--quiet", "--no-project", "--no-config", "--python", version, *wanted, "python", *arguments]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Open, as on somebody's own machine: pytriton sends no headers before its first inference."""
    grpc_port = free_port()
    settings = (f"server.grpc_port={grpc_port}", "accounts.open=true", "fleet.engines=16")
    with running(tmp_path_factory.mktemp("server"), *settings) as live:
        row = json.dumps([[1] * 16]).encode()
        sums = {"tests": {"INPUT0": row, "INPUT1": row}, "minimum": 1}
        live.deploy(MODELS / "sums", "simple", **sums)
        for _, flavour, packages in SCRIPTS.values():
            if packages is TRITONCLIENT:  # each loads and unloads one of its own
                live.deploy(MODELS / "sums", f"spare.{flavour}", **sums)
        names = runpy.run_path(str(MODELS / "every" / "model.py"))["DATATYPES"]
        every = {
            f"IN_{name}": b"one" if name == "BYTES" else b"[[true]]" if name == "BOOL" else b"[[1]]" for name in names
        }
        live.deploy(MODELS / "every", "every", tests=every, minimum=1)
        live.deploy(MODELS / "identity", "identity", tests={"x": b"[1.5]"}, minimum=1)
        live.deploy(MODELS / "vector", "vector", tests={"INPUT": b"[1.5]"}, minimum=1)
        live.deploy(MODELS / "echo", "files", minimum=1)
        yield SimpleNamespace(http=f"127.0.0.1:{live.port}", grpc=f"127.0.0.1:{grpc_port}", key=live.key)


@pytest.fixture(scope="module")
def triton(tmp_path_factory):
    """The real one, on the CPU, with the same models."""
    folder = tmp_path_factory.mktemp("triton")
    installed = subprocess.run(python_of(TRITON, "-c", ""), capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"needs the real Triton: uv pip install {TRITON[0]} ({installed.stderr[-300:]})")
    subprocess.run([sys.executable, CLIENTS / "triton_models.py", folder / "models"], check=True)
    ports = [free_port(), free_port()]
    arguments = (CLIENTS / "triton_server.py", *ports, folder / "models", folder / "own")
    command = python_of(TRITON, *map(str, arguments))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=bare(), stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: process.poll() is not None or is_ready(f"http://127.0.0.1:{ports[0]}/v2/health/ready"))
        assert process.poll() is None, (folder / "log").read_text()[-3000:]
        yield {"http": f"127.0.0.1:{ports[0]}", "grpc": f"127.0.0.1:{ports[1]}"}
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_ready(url):
    try:
        return httpx2.get(url, verify=False).status_code == 200
    except httpx2.TransportError:
        return False


def bare():
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def hear(packages, *arguments):
    """What a script said; nothing in it may have gone wrong."""
    command = python_of(packages, *arguments)
    done = subprocess.run(command, env=bare(), capture_output=True, text=True, timeout=300, check=False)
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"check"')]
    assert "" == "\n".join("{check}: {why} (line {line})".format(**one) for one in said if not one["ok"])
    assert 0 == done.returncode, done.stderr[-3000:]
    return said


@pytest.mark.parametrize("client", SCRIPTS)
def test_an_unmodified_client(server, client):
    script, flavour, packages = SCRIPTS[client]
    assert hear(packages, str(CLIENTS / script), json.dumps(vars(server)), flavour)


def test_random_and_malformed_requests_are_answered_as_by_the_real_triton(server, triton):
    script = str(CLIENTS / "against_triton.py")
    assert hear((*TRITON, "hypothesis"), script, json.dumps(vars(server)), json.dumps(triton))
