"""The protocol's JSON bodies, as far as the door writes or reads them. Tensors it does neither (contracts/oip.md)."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class Live(msgspec.Struct):
    """kserve's client wants the body, the others only the status."""

    live: bool = True


class Ready(msgspec.Struct):
    ready: bool
    error: str | UnsetType = UNSET


class ModelReady(msgspec.Struct):
    name: str
    ready: bool
    error: str | UnsetType = UNSET


class ServerMetadata(msgspec.Struct):
    name: str
    version: str
    extensions: list[str]


class TensorShape(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, str] | UnsetType = UNSET


class ModelMetadata(msgspec.Struct):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorShape]
    outputs: list[TensorShape]
    parameters: dict[str, str] | UnsetType = UNSET


class ModelNames(msgspec.Struct):
    models: list[str]


class InferInput(msgspec.Struct):
    """For the document only: bodies of infer requests are read by the replica."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET


class RequestedOutput(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | UnsetType = UNSET


class InferRequest(msgspec.Struct):
    inputs: list[InferInput]
    id: str | UnsetType = UNSET
    outputs: list[RequestedOutput] | UnsetType = UNSET
    parameters: dict[str, Any] | UnsetType = UNSET


class InferResponse(msgspec.Struct):
    model_name: str
    model_version: str
    id: str
    outputs: list[dict[str, Any]]
    parameters: dict[str, Any] | UnsetType = UNSET


class IndexRequest(msgspec.Struct):
    ready: bool = False


class IndexEntry(msgspec.Struct):
    name: str
    version: str
    state: str
    reason: str | UnsetType = UNSET


class RepositoryRequest(msgspec.Struct):
    parameters: dict[str, Any] = {}


class Loaded(msgspec.Struct):
    """Triton's clients ignore the body; kserve's tools read it."""

    name: str
    load: bool = True


class Unloaded(msgspec.Struct):
    name: str
    unload: bool = True


class Duration(msgspec.Struct):
    count: int = 0
    ns: int = 0


class InferStatistics(msgspec.Struct):
    success: Duration
    fail: Duration
    queue: Duration
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration
    cache_hit: Duration
    cache_miss: Duration


class BatchStatistics(msgspec.Struct):
    batch_size: int
    compute_input: Duration
    compute_infer: Duration
    compute_output: Duration


class ResponseStatistics(msgspec.Struct):
    """Of the answers in one place of their streams."""

    compute_infer: Duration
    compute_output: Duration
    success: Duration
    fail: Duration
    empty_response: Duration
    cancel: Duration


class ModelStatistics(msgspec.Struct):
    name: str
    version: str
    last_inference: int  # milliseconds since 1970
    inference_count: int
    execution_count: int
    inference_stats: InferStatistics
    response_stats: dict[str, ResponseStatistics]
    batch_stats: list[BatchStatistics]
    memory_usage: list[Any]


class Statistics(msgspec.Struct):
    model_stats: list[ModelStatistics]
