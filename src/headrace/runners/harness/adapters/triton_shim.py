"""What models of Triton's Python backend import as triton_python_backend_utils."""

from __future__ import annotations

import enum
import struct
import sys
from typing import Any

from headrace.runners.harness.adapters.triton_requests import (
    ALL,
    FINAL,
    RESCHEDULE,
    SEQUENCE_END,
    SEQUENCE_START,
    InferenceRequest,
    InferenceResponse,
    InferenceTrace,
    Tensor,
    TritonError,
    TritonModelException,
)
from headrace.runners.harness.adapters.triton_requests import Sender as InferenceResponseSender
from headrace.runners.harness.arrays import np
from headrace.runners.harness.tensors import pack_bytes

__all__ = [
    "InferenceRequest",
    "InferenceResponse",
    "InferenceResponseSender",
    "InferenceTrace",
    "Tensor",
    "TritonError",
    "TritonModelException",
]

TRITONSERVER_RESPONSE_COMPLETE_FINAL = FINAL
TRITONSERVER_REQUEST_FLAG_SEQUENCE_START, TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = SEQUENCE_START, SEQUENCE_END
TRITONSERVER_REQUEST_RELEASE_ALL, TRITONSERVER_REQUEST_RELEASE_RESCHEDULE = ALL, RESCHEDULE
TRITON_STRING_TO_NUMPY = {
    "TYPE_BOOL": np.bool_, "TYPE_UINT8": np.uint8, "TYPE_UINT16": np.uint16, "TYPE_UINT32": np.uint32,
    "TYPE_UINT64": np.uint64, "TYPE_INT8": np.int8, "TYPE_INT16": np.int16, "TYPE_INT32": np.int32,
    "TYPE_INT64": np.int64, "TYPE_FP16": np.float16, "TYPE_FP32": np.float32, "TYPE_FP64": np.float64,
    "TYPE_STRING": np.object_,
}  # fmt: skip
_NUMBERED = dict(enumerate(TRITON_STRING_TO_NUMPY.values(), 1))  # as Triton's own enumeration has them
_SIZE = struct.Struct("<I")  # before each element of a BYTES tensor


class MemoryType(enum.IntEnum):
    TRITONSERVER_MEMORY_CPU = 0
    TRITONSERVER_MEMORY_GPU = 2


TRITONSERVER_MEMORY_CPU = MemoryType.TRITONSERVER_MEMORY_CPU
TRITONSERVER_MEMORY_GPU = MemoryType.TRITONSERVER_MEMORY_GPU


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


class LogLevel(enum.Enum):
    INFO, WARNING, ERROR, VERBOSE = "I", "W", "E", "V"


class Logger:
    """Into the log of the replica. What is verbose is left out, as by a Triton that is not told otherwise."""

    LogLevel: Any = LogLevel
    INFO, WARNING, ERROR, VERBOSE = LogLevel.INFO, LogLevel.WARNING, LogLevel.ERROR, LogLevel.VERBOSE

    @staticmethod
    def log(message: str, level: Any = INFO) -> None:
        if level is not LogLevel.VERBOSE:
            sys.stderr.write(f"{level.value} {message}\n")
            sys.stderr.flush()

    @staticmethod
    def log_info(message: str) -> None:
        Logger.log(message)

    @staticmethod
    def log_warn(message: str) -> None:
        Logger.log(message, LogLevel.WARNING)

    @staticmethod
    def log_error(message: str) -> None:
        Logger.log(message, LogLevel.ERROR)

    @staticmethod
    def log_verbose(message: str) -> None:
        Logger.log(message, LogLevel.VERBOSE)


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
    return TRITON_STRING_TO_NUMPY[name]


def triton_to_numpy_type(number: int) -> Any:
    return _NUMBERED.get(int(number))


def numpy_to_triton_type(dtype: Any) -> int | None:
    kind = np.dtype(dtype)
    return next(
        (number for number, one in _NUMBERED.items() if np.dtype(one) == kind), 13 if kind.kind in "SU" else None
    )


def serialize_byte_tensor(tensor: Any) -> bytes | tuple[()] | None:
    """The elements with their sizes before them; as Triton's own: () of none, None of what is no BYTES tensor."""
    if tensor.size == 0:
        return ()
    return pack_bytes(tensor.reshape(-1).tolist()) if tensor.dtype.kind in "OS" else None


def deserialize_bytes_tensor(encoded: Any) -> Any:
    found, at = [], 0
    while at < len(encoded):
        (size,) = _SIZE.unpack_from(encoded, at)
        at += _SIZE.size
        found.append(bytes(encoded[at : at + size]))
        at += size
    return np.array(found, np.object_)
