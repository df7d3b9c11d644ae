"""What models of Triton's Python backend import as triton_python_backend_utils."""

from __future__ import annotations

import logging
from typing import Any

from headrace.runners.harness.adapters.triton_requests import (
    FINAL,
    SEQUENCE_END,
    SEQUENCE_START,
    InferenceRequest,
    InferenceResponse,
    Tensor,
    TritonError,
    TritonModelException,
)
from headrace.runners.harness.arrays import np

__all__ = ["InferenceRequest", "InferenceResponse", "Tensor", "TritonError", "TritonModelException"]

TRITONSERVER_RESPONSE_COMPLETE_FINAL = FINAL
TRITONSERVER_REQUEST_FLAG_SEQUENCE_START, TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = SEQUENCE_START, SEQUENCE_END
TRITONSERVER_MEMORY_CPU, TRITONSERVER_MEMORY_GPU = 0, 2
TYPES = {
    "TYPE_BOOL": np.bool_, "TYPE_UINT8": np.uint8, "TYPE_UINT16": np.uint16, "TYPE_UINT32": np.uint32,
    "TYPE_UINT64": np.uint64, "TYPE_INT8": np.int8, "TYPE_INT16": np.int16, "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64, "TYPE_FP16": np.float16, "TYPE_FP32": np.float32, "TYPE_FP64": np.float64,
    "TYPE_STRING": np.object_,
}  # fmt: skip


class PreferredMemory:
    """Where a model wants the answers of other models: there is only one place here."""

    def __init__(self, preferred_memory_type: int, preferred_device_id: int = 0) -> None:
        self.preferred_memory_type, self.preferred_device_id = preferred_memory_type, preferred_device_id


class ModelConfig:
    """What a model's auto_complete_config fills in."""

    def __init__(self, tensors: dict[str, list[dict[str, Any]]], max_batch_size: int, *, decoupled: bool) -> None:
        self._tensors, self.max_batch_size, self.decoupled = tensors, max_batch_size, decoupled

    def as_dict(self) -> dict[str, Any]:
        policy = {"model_transaction_policy": {"decoupled": self.decoupled}}
        return {**self._tensors, "max_batch_size": self.max_batch_size, **policy}

    def set_max_batch_size(self, size: int) -> None:
        self.max_batch_size = size

    def set_dynamic_batching(self) -> None:
        """Requests are put together in any case."""

    def set_model_transaction_policy(self, policy: dict[str, Any]) -> None:
        self.decoupled = bool(policy.get("decoupled"))

    def add_input(self, tensor: dict[str, Any]) -> None:
        self._add("input", tensor)

    def add_output(self, tensor: dict[str, Any]) -> None:
        self._add("output", tensor)

    def _add(self, key: str, tensor: dict[str, Any]) -> None:
        if all(one.get("name") != tensor.get("name") for one in self._tensors[key]):
            self._tensors[key].append(tensor)


class Logger:
    @staticmethod
    def log(message: str, level: Any = None) -> None:  # noqa: ARG004 - models give it by name
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
