"""The requests of the run, as bytes: JSON, JSON with binary tensors, and gRPC messages. One input, one output."""

import array
import json
from dataclasses import dataclass

from headrace.api.oip.proto.inference_pb2 import ModelInferRequest

PICTURE = [1, 3, 224, 224]


@dataclass(frozen=True)
class Workload:
    """`model` as the servers call it; `kind`: json, binary or grpc."""

    name: str
    model: str
    kind: str
    concurrency: int
    shape: tuple[int, ...] = (1, 4)

    @property
    def values(self) -> list[float]:
        count = 1
        for size in self.shape:
            count *= size
        return [5.1, 3.5, 1.4, 0.2] if count == 4 else [number % 251 / 251 for number in range(count)]

    @property
    def raw(self) -> bytes:
        return array.array("f", self.values).tobytes()


WORKLOADS = (
    Workload("echo JSON c1", "echo", "json", 1),
    Workload("echo JSON c8", "echo", "json", 8),
    Workload("echo JSON c64", "echo", "json", 64),
    Workload("echo gRPC c8", "echo", "grpc", 8),
    Workload("echo gRPC c64", "echo", "grpc", 64),
    Workload("602 kB JSON c1", "mean", "json", 1, tuple(PICTURE)),
    Workload("602 kB binary c4", "mean", "binary", 4, tuple(PICTURE)),
    Workload("602 kB gRPC c4", "mean", "grpc", 4, tuple(PICTURE)),
    Workload("conv gRPC c8", "conv", "grpc", 8, tuple(PICTURE)),
    Workload("iris JSON c8", "iris", "json", 8),
    Workload("mlp batched c64", "mlp", "json", 64, (1, 784)),
)


def body(workload: Workload, input_name: str, outputs: list[str]) -> tuple[bytes, dict[str, str]]:
    """And the headers that belong to it."""
    if workload.kind == "grpc":
        message = ModelInferRequest(model_name=workload.model, raw_input_contents=[workload.raw])
        message.inputs.add(name=input_name, datatype="FP32", shape=workload.shape)
        for name in outputs:
            message.outputs.add(name=name)
        return message.SerializeToString(), {}
    tensor = {"name": input_name, "shape": list(workload.shape), "datatype": "FP32"}
    request = {"inputs": [tensor]}
    if outputs:
        request["outputs"] = [{"name": name} for name in outputs]
    if workload.kind == "binary":
        tensor["parameters"] = {"binary_data_size": len(workload.raw)}
        request["parameters"] = {"binary_data_output": True}
        head = json.dumps(request).encode()
        headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
        return head + workload.raw, headers
    return json.dumps(request | {"inputs": [tensor | {"data": workload.values}]}).encode(), {
        "Content-Type": "application/json"
    }
