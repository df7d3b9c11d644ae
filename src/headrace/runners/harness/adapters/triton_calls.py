"""Requests that a model of Triton's Python backend makes for other models (BLS), and their responses."""

from __future__ import annotations

import asyncio
import json
import math
import types
from collections.abc import Iterator
from typing import Any

from headrace.runners.harness.adapters import triton_requests, triton_shim
from headrace.runners.harness.adapters.triton_metrics import Metric, MetricFamily, MetricKind
from headrace.runners.harness.adapters.triton_requests import (
    SEQUENCE_END,
    SEQUENCE_START,
    InferenceRequest,
    InferenceResponse,
    Tensor,
    TritonModelException,
    text,
)
from headrace.runners.harness.arrays import array_of, np
from headrace.runners.harness.calls import Calls, Heard
from headrace.runners.harness.metrics import Sheet
from headrace.runners.harness.tensors import Input, pack_bytes

NO_CALLS = "model '{}' cannot be asked from inside this one: models have no way to other models here"
SEVERAL = "model '{}' gave {} responses: ask it with exec(decoupled=True)"


NO_LOADING = (
    "a model cannot load or unload others here: publish '{}' with `headrace deploy` or a client's load_model "
    "beforehand. Deployed models are loaded by themselves, and is_model_ready tells which there are"
)


class Outside:
    """The way to other models and to the server's metrics, if there is one."""

    def __init__(self, calls: Calls | None) -> None:
        self._calls, self.sheet = calls, Sheet(calls)

    def about(self, model: str, version: str) -> dict[str, Any] | None:
        """What is known of a model that may be asked: `tensors`, where it has said. None: there is no such model."""
        told, answer = next(iter(self._heard({"model": model, "version": version, "about": True}, b"")))
        if told["absent"]:
            return None
        if told["error"] is not None:
            raise TritonModelException(told["error"])
        return {"tensors": json.loads(bytes(answer))}

    def ask(self, request: InferenceRequest, *, stream: bool) -> Iterator[InferenceResponse]:
        """Raises TritonModelException when the model cannot be asked at all."""
        for told, answer in self._heard(*_asked(request, stream)):
            if told["absent"]:
                raise TritonModelException(f"Failed for execute the inference request. {told['error']}")
            if told["error"] is not None:
                yield InferenceResponse(error=triton_requests.told(told["error"], told["status"]))
            elif len(answer):
                yield _response(answer, told["json"])

    def _heard(self, header: dict[str, Any], body: bytes) -> Iterator[Heard]:
        if self._calls is None:
            raise TritonModelException(NO_CALLS.format(header["model"]))
        return self._calls.ask(header, body)


class ResponseIterator:
    """What a model that may give several responses gives. Asked with the first look at it."""

    def __init__(self, responses: Iterator[InferenceResponse]) -> None:
        self._responses = responses

    def __iter__(self) -> ResponseIterator:
        return self

    def __next__(self) -> InferenceResponse:
        return next(self._responses)

    def cancel(self) -> None:
        """Nobody wants the rest."""
        self._responses.close()  # type: ignore[attr-defined] # a generator


class Request(InferenceRequest):
    """What models are given and make. `outside` belongs to the module that they import: see `for_model`."""

    outside: Outside

    def exec(self, decoupled: bool = False) -> Any:
        if decoupled:
            return ResponseIterator(self.outside.ask(self, stream=True))
        found = list(self.outside.ask(self, stream=False))
        if len(found) != 1:
            raise TritonModelException(SEVERAL.format(self.model_name(), len(found)))
        return found[0]

    async def async_exec(self, decoupled: bool = False) -> Any:
        if decoupled:
            return self.exec(decoupled)
        return await asyncio.get_running_loop().run_in_executor(None, self.exec)


def for_model(outside: Outside) -> types.ModuleType:
    """What a model imports as triton_python_backend_utils, with a way to other models."""
    module = types.ModuleType("triton_python_backend_utils", triton_shim.__doc__)
    vars(module).update({name: one for name, one in vars(triton_shim).items() if not name.startswith("__")})
    vars(module).update(
        InferenceRequest=type("InferenceRequest", (Request,), {"outside": outside}),
        ResponseIterator=ResponseIterator,
        MetricFamily=type("MetricFamily", (MetricFamily,), {"sheet": outside.sheet}),
        Metric=Metric,
        MetricKind=MetricKind,
        load_model=_no_loading,
        unload_model=_no_loading,
        is_model_ready=lambda model_name, model_version="": (
            outside.about(text(model_name), text(model_version)) is not None
        ),
    )
    return module


def _no_loading(model_name: str, **_said: Any) -> None:
    raise TritonModelException(NO_LOADING.format(text(model_name)))


def _asked(request: InferenceRequest, stream: bool) -> tuple[dict[str, Any], bytes]:
    inputs, raw = [], []
    for one in request.inputs():
        array, datatype = one.as_numpy(), one.triton_dtype().removeprefix("TYPE_").replace("STRING", "BYTES")
        data = pack_bytes(array.reshape(-1).tolist()) if datatype == "BYTES" else np.ascontiguousarray(array).tobytes()
        told = {"name": one.name(), "datatype": datatype, "shape": list(array.shape)}
        inputs.append({**told, "parameters": {"binary_data_size": len(data)}})
        raw.append(data)
    names = request.requested_output_names()
    outputs = [{"name": name, "parameters": {"binary_data": True}} for name in names]
    parameters = {**json.loads(request.parameters()), "binary_data_output": True, **_sequence(request)}
    said = {"inputs": inputs, "outputs": outputs, "parameters": parameters, "id": request.request_id()}
    head = json.dumps(said).encode()
    version, flags, sequence = request.model_version(), request.flags(), request.correlation_id()
    header = {
        "model": request.model_name(),
        "version": "" if version == -1 else str(version),
        "json": len(head),
        "stream": stream,
        "timeout": max(0, int(request.timeout() or 0)),
        "sequence": sequence or 0,
        "start": bool(flags & SEQUENCE_START),
        "end": bool(flags & SEQUENCE_END),
    }
    return header, b"".join([head, *raw])


def _sequence(request: InferenceRequest) -> dict[str, Any]:
    if not request.correlation_id():
        return {}
    flags = request.flags()
    started, ended = bool(flags & SEQUENCE_START), bool(flags & SEQUENCE_END)
    return {"sequence_id": request.correlation_id(), "sequence_start": started, "sequence_end": ended}


def _response(body: memoryview, length: int) -> InferenceResponse:
    at = len(body) if length < 0 else length
    said, tensors = json.loads(bytes(body[:at])), []
    for one in said["outputs"]:
        size = (one.get("parameters") or {}).get("binary_data_size")
        shape = tuple(one["shape"])
        data: Any = one.get("data", []) if size is None else body[at : at + size]
        if size is None and math.prod(shape) != len(data):
            raise TritonModelException(f"output '{one['name']}' has {len(data)} elements and the shape {list(shape)}")
        at += size or 0
        tensors.append(
            Tensor(one["name"], array_of([Input(one["name"], one["datatype"], shape, data, None)], shape, ""))
        )
    return InferenceResponse(tensors, parameters=said.get("parameters"))
