"""Streams, sequences and shared memory with unmodified clients, against a live server."""

import json
import shutil
import subprocess
from types import SimpleNamespace

import httpx2
import pytest
from contracts.test_oip_clients import CLIENTS, MODELS, TRITON, TRITONCLIENT, hear
from live import free_port, running

SCRIPTS = {
    "tritonclient": ("tritonclient_streams.py", TRITONCLIENT),
    "mlserver": ("mlserver_streams.py", ("mlserver==1.7.1", "uvloop<0.22")),
    "pytriton": ("pytriton_streams.py", TRITON),
    "openai": ("openai_calls.py", ("openai==3.54.0", "numpy")),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Open: pytriton asks for the configuration without headers."""
    grpc_port = free_port()
    settings = (
        *(f"server.grpc_port={grpc_port}", "accounts.open=true", "fleet.engines=12"),
        "oip.shared_memory=/oip_",
    )
    with running(tmp_path_factory.mktemp("streams"), *settings) as live:
        row = json.dumps([[1] * 16]).encode()
        live.deploy(MODELS / "sums", "simple", tests={"INPUT0": row, "INPUT1": row}, minimum=1)
        live.deploy(MODELS / "repeat", "repeat", tests={"IN": b"[1, 2]"}, minimum=1)
        live.deploy(MODELS / "words", "words", tests={"text_input": b"one two"}, minimum=1)
        step = json.dumps(
            {
                "inputs": [{"name": "INPUT", "datatype": "INT32", "shape": [1, 1], "data": [1]}],
                "parameters": {"sequence_id": 1, "sequence_start": True, "sequence_end": True},
            }
        ).encode()
        live.deploy(MODELS / "steps", "steps", tests={"INPUT": step}, minimum=2)
        live.deploy(MODELS / "asks", "asks", tests={"MODEL": b"simple", "HOW": b"once"}, minimum=1)
        measures = live.deploy(MODELS / "measures", "measures", tests={"X": b"[0]"}, minimum=1)
        live.deploy(MODELS / "preprocess", "preprocess", tests={"RAW": bytes(16)}, minimum=1)
        live.deploy(MODELS / "postprocess", "postprocess", tests={"SCORES": json.dumps([[1] * 16]).encode()}, minimum=1)
        live.deploy(MODELS / "pipeline", "pipeline", tests={"IMAGE": bytes(16)}, minimum=1)
        yield SimpleNamespace(
            measures=measures, http=f"127.0.0.1:{live.port}", grpc=f"127.0.0.1:{grpc_port}", key=live.key
        )


@pytest.mark.parametrize("client", SCRIPTS)
def test_an_unmodified_client(server, client):
    script, packages = SCRIPTS[client]
    assert hear(packages, str(CLIENTS / script), json.dumps(vars(server)))


def test_a_model_of_triton_asks_others_from_inside(server):
    """As BLS of Triton's Python backend: its own code, unmodified."""
    once, several = [[0, 2, 4, 6]], [[0, 2, 4, 6]] * 5
    assert once == [one["OUTPUT0"][:4] for one in said_by_asks(server, "simple", "once")]
    assert several == [one["OUTPUT0"][:4] for one in said_by_asks(server, "simple", "together")]
    assert [["one"], ["two"]] == [one["text_output"] for one in said_by_asks(server, "words", "stream")]
    assert "is not found" in said_by_asks(server, "nobody", "once")
    assert "they would wait for ever" in said_by_asks(server, "asks", "once")
    assert [[True, False], True, False] == said_by_asks(server, "simple", "known")


def said_by_asks(server, model, how):
    inputs = [
        {"name": name, "shape": [1], "datatype": "BYTES", "data": [text]}
        for name, text in (("MODEL", model), ("HOW", how))
    ]
    answer = httpx2.post(
        f"http://{server.http}/v2/models/asks/infer", json={"inputs": inputs}, timeout=60, verify=False
    ).json()
    return answer["error"] if "error" in answer else json.loads(answer["outputs"][0]["data"][0])


def test_what_a_model_of_triton_measures_by_itself(server):
    """Its counters do not run backwards when a replica ends, and its gauges go with it."""

    def told(name):
        page = httpx2.get(
            f"http://{server.http}/metrics", headers={"Authorization": f"ApiKey {server.key}"}, verify=False
        ).text
        return [line for line in page.splitlines() if name in line]

    def ask(value):
        inputs = [{"name": "X", "shape": [1], "datatype": "INT32", "data": [value]}]
        return httpx2.post(
            f"http://{server.http}/v2/models/measures/infer", json={"inputs": inputs}, timeout=60, verify=False
        )

    ours = f'model="{server.measures}",version="1.0.0"'
    assert ask(5).is_success
    assert [
        "# HELP test_rows_total Rows that were seen",
        "# TYPE test_rows_total counter",
        'test_rows_total{model="measures",version="1"} 5',
    ] == told("test_rows_total")
    assert [f"test_last{{{ours}}} 5"] == told("test_last{")
    assert [
        f'test_sizes_bucket{{of="rows",{ours},le="{bound}"}} {n}'
        for bound, n in zip(("1.0", "10.0", "+Inf"), (1, 2, 2), strict=True)
    ] == told("test_sizes_b")

    assert not ask(-1).is_success
    assert ask(2).is_success
    assert ['test_rows_total{model="measures",version="1"} 7'] == told("test_rows_total{")
    assert [f"test_last{{{ours}}} 2"] == told("test_last{")


def test_curl_sees_each_event_at_once(server):
    """The text never ends, so nothing would come at all if events were collected."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("needs curl: apt-get install curl")
    url = f"http://{server.http}/v2/models/words/generate_stream"
    body = json.dumps({"text_input": "now and for ever"})
    for _ in range(4):  # more often than there are replicas: each is good again when its reader has gone
        command = [curl, "-sN", "-H", f"Authorization: ApiKey {server.key}", "-d", body, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            lines = [process.stdout.readline() for _ in range(9)]
            process.kill()
        words = [json.loads(line[6:])["text_output"] for line in lines if line.strip()]
        assert ["now", "and", "for", "ever", "now"] == words
