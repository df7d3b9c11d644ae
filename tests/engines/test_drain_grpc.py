"""A server that is restarted while new gRPC connections come all the time: whoever got one gets an answer.

Two restarts; a hundred with `--full`.
"""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from live import Server, free_port, wait_for

from headrace.api.oip.proto.inference_pb2 import ModelInferRequest, ModelInferResponse

ECHO = Path(__file__).parent.parent / "contracts" / "models" / "echo"
REFUSED = ("Connection refused", "failed to connect")


@pytest.fixture
def server(tmp_path):
    port = free_port()
    server = Server(tmp_path / "data", f"server.grpc_port={port}")
    server.grpc = f"127.0.0.1:{port}"
    yield server.start()
    server.stop()


@dataclass
class Load:
    """Clients that ask without a pause: some over connections that they keep, some over a new one each time."""

    server: Server
    answers: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, *, keeps: bool) -> None:
        channel = self.channel()
        while not self.over.is_set():
            if not keeps:
                channel.close()
                channel = self.channel()
            self.once(channel)
        channel.close()

    def channel(self) -> grpc.Channel:
        quick = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 50)]
        return grpc.insecure_channel(self.server.grpc, options=[*quick, ("grpc.min_reconnect_backoff_ms", 50)])

    def once(self, channel: grpc.Channel) -> None:
        request = ModelInferRequest(model_name="echo", raw_input_contents=[b"\x05\0\0\0hello"])
        request.inputs.add(name="input.txt", datatype="BYTES", shape=[1])
        ask = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=ModelInferRequest.SerializeToString,
            response_deserializer=ModelInferResponse.FromString,
        )
        try:
            ask(request, metadata=[("authorization", f"ApiKey {self.server.key}")], timeout=60)
        except grpc.RpcError as error:
            if any(words in error.details() for words in REFUSED):
                self.refused += 1
                time.sleep(0.02)
            else:
                self.failures.append(f"{error.code()}: {error.details()}")
        else:
            self.answers += 1


def test_a_restart_under_load_fails_no_call(server, request):
    server.deploy(ECHO, minimum=1)
    load = Load(server)
    clients = [threading.Thread(target=load.run, kwargs={"keeps": number % 2 == 0}) for number in range(4)]
    for client in clients:
        client.start()
    try:
        for number in range(100 if request.config.getoption("--full") else 2):
            before = load.answers
            wait_for(lambda before=before: load.failures or load.answers > before + 20)
            assert 0 == server.stop() or -15 == server.process.returncode
            server.start()
            assert [] == load.failures, f"after {number} restarts"
    finally:
        load.over.set()
        for client in clients:
            client.join()

    assert [] == load.failures
