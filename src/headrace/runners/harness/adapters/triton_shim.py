"""What models of Triton's Python backend import as triton_python_backend_utils."""

from __future__ import annotations

import json
import logging
from typing import Any

from headrace.runners.harness.arrays import as_array, datatype_of, np
from headrace.runners.harness.tensors import UNSUPPORTED, Refused

TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_START, TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = 1, 2
TYPES = {
    "TYPE_BOOL": np.bool_, "TYPE_UINT8": np.uint8, "TYPE_UINT16": np.uint16, "TYPE_UINT32": np.uint32,
    "TYPE_UINT64": np.uint64, "TYPE_INT8": np.int8, "TYPE_INT16": np.int16, "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64, "TYPE_FP16": np.float16, "TYPE_FP32": np.float32, "TYPE_FP64": np.float64,
    "TYPE_STRING": np.object_,
}  # fmt: skip


class TritonModelException(Exception):
    """What a model raises of its own accord."""


class TritonError:
    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG, UNAVAILABLE, UNSUPPORTED, ALREADY_EXISTS, CANCELLED = range(8)

    def __init__(self, message: str, code: int = INTERNAL) -> None:
        self._message, self._code = str(message), code

    def message(self) -> str:
        return self._message

    def code(self) -> int:
        return self._code


class Tensor:
    def __init__(self, name: str, array: Any) -> None:
        self._name, self._array = name, as_array(array, name)

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> Any:
        return self._array

    def shape(self) -> list[int]:
        return list(self._array.shape)

    def triton_dtype(self) -> str:
        plain = datatype_of(self._array)
        return f"TYPE_{'STRING' if plain == 'BYTES' else plain}"

    def is_cpu(self) -> bool:
        return True

    def to_dlpack(self) -> Any:
        return self._array.__dlpack__()

    @staticmethod
    def from_dlpack(name: str, tensor: Any) -> Tensor:
        return Tensor(name, np.from_dlpack(tensor))


class Sender:
    """Collects what a model sends for one request."""

    def __init__(self) -> None:
        self.sent: list[InferenceResponse] = []

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:  # noqa: ARG002 - models give it by name
        if response is not None:
            self.sent.append(response)

    def is_cancelled(self) -> bool:
        return False


class InferenceRequest:
    """A request as a model sees it. Models that ask other models (BLS) find none here."""

    def __init__(self, inputs: list[Tensor], request_id: str, parameters: dict[str, Any], outputs: list[str]) -> None:
        self._inputs, self._id, self._parameters, self._outputs = inputs, request_id, parameters, outputs
        self._sender = Sender()

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def request_id(self) -> str:
        return self._id

    def correlation_id(self) -> int | str:
        found: int | str = self._parameters.get("sequence_id", 0)
        return found

    def flags(self) -> int:
        start, end = self._parameters.get("sequence_start"), self._parameters.get("sequence_end")
        return (1 if start is True else 0) | (2 if end is True else 0)

    def parameters(self) -> str:
        return json.dumps(self._parameters)

    def requested_output_names(self) -> list[str]:
        return self._outputs

    def get_response_sender(self) -> Sender:
        return self._sender

    def is_cancelled(self) -> bool:
        return False

    def exec(self, *_: Any, **__: Any) -> Any:
        raise Refused("asking other models from inside a model (BLS) is not supported", UNSUPPORTED)


class InferenceResponse:
    def __init__(self, output_tensors: Any = (), error: TritonError | None = None, parameters: Any = None) -> None:
        self._outputs, self._error, self._parameters = list(output_tensors), error, parameters or {}

    def output_tensors(self) -> list[Tensor]:
        return self._outputs

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error

    def parameters(self) -> dict[str, Any]:
        found: dict[str, Any] = self._parameters
        return found


class ModelConfig:
    """What a model's auto_complete_config fills in."""

    def __init__(self, tensors: dict[str, list[dict[str, Any]]], max_batch_size: int) -> None:
        self._tensors, self.max_batch_size = tensors, max_batch_size

    def as_dict(self) -> dict[str, Any]:
        return {**self._tensors, "max_batch_size": self.max_batch_size}

    def set_max_batch_size(self, size: int) -> None:
        self.max_batch_size = size

    def set_dynamic_batching(self) -> None:
        """Requests are put together in any case."""

    def add_input(self, tensor: dict[str, Any]) -> None:
        self._add("input", tensor)

    def add_output(self, tensor: dict[str, Any]) -> None:
        self._add("output", tensor)

    def _add(self, key: str, tensor: dict[str, Any]) -> None:
        if all(one.get("name") != tensor.get("name") for one in self._tensors[key]):
            self._tensors[key].append(tensor)


class Logger:
    @staticmethod
    def log(message: str, level: Any = None) -> None:  # noqa: ARG004 - as above
        logging.getLogger("model").info("%s", message)

    log_info = log_warn = log_error = log_verbose = log


def get_input_tensor_by_name(request: InferenceRequest, name: str) -> Tensor | None:
    return next((one for one in request.inputs() if one.name() == name), None)


def get_output_tensor_by_name(response: InferenceResponse, name: str) -> Tensor | None:
    return next((one for one in response.output_tensors() if one.name() == name), None)


def get_input_config_by_name(config: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((one for one in config.get("input", ()) if one["name"] == name), None)


def get_output_config_by_name(config: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((one for one in config.get("output", ()) if one["name"] == name), None)


def using_decoupled_model_transaction_policy(config: dict[str, Any]) -> bool:
    return bool((config.get("model_transaction_policy") or {}).get("decoupled"))


def triton_string_to_numpy(name: str) -> Any:
    return TYPES[name]


def numpy_to_triton_type(dtype: Any) -> str:
    return Tensor("", np.empty(0, dtype)).triton_dtype()
