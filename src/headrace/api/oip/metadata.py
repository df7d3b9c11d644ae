"""What a server and a model say of themselves (contracts/oip.md, A3, A4, A16). Pure; REST and gRPC say the same."""

from collections.abc import Sequence
from importlib.metadata import version as installed
from typing import Any

from headrace.api.oip import shapes
from headrace.domain.ids import version_order
from headrace.domain.tensor import TensorModel, TensorSpec
from headrace.domain.version import Version
from headrace.fleet.status import EngineStatus
from headrace.settings import OipSettings

FILES = "files"  # the platform of models that take files: each is an element of a BYTES tensor

EXTENSIONS = (
    "binary_tensor_data",
    "classification",
    "generate",
    "logging",
    "model_configuration",
    "model_repository",
    "parameters",
    "sequence",
    "statistics",
)  # only what is really on


def server(settings: OipSettings) -> shapes.ServerMetadata:
    shared = ["system_shared_memory"] if settings.shared_memory else []
    return shapes.ServerMetadata(settings.server_name, installed("headrace"), [*EXTENSIONS, *shared])


def tensors_of(version: Version) -> TensorModel:
    """What the loaded model said; for a model of files one BYTES tensor for each of its inputs and outputs."""
    if version.tensors is not None:
        return version.tensors
    return TensorModel(
        FILES,
        tuple(TensorSpec(one.name, "BYTES", (-1,)) for one in version.inputs),
        tuple(TensorSpec(one.name, "BYTES", (-1,)) for one in version.outputs),
    )


def is_ready(version: Version, status: EngineStatus) -> bool:
    """Published, and its replicas start: one that sleeps until it is asked is ready."""
    return version.active and not (status.failed and not status.ready)


def model(name: str, version: Version, versions: Sequence[str]) -> shapes.ModelMetadata:
    tensors = tensors_of(version)
    found = shapes.ModelMetadata(
        name, sorted(versions, key=version_order), tensors.platform, _tensors(tensors.inputs), _tensors(tensors.outputs)
    )
    if tensors.parameters:
        found.parameters = dict(tensors.parameters)
    return found


def config(name: str, version: Version) -> dict[str, Any]:
    """Triton's ModelConfig as protobuf writes it in JSON. Dimensions there are without the batch."""
    tensors = tensors_of(version)
    batched = tensors.max_batch_size > 0
    return {
        "name": name,
        "platform": tensors.platform,
        "backend": tensors.platform,
        "runtime": "",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": tensors.max_batch_size,
        "input": [_input(spec, batched=batched) for spec in tensors.inputs],
        "output": [_output(spec, batched=batched) for spec in tensors.outputs],
        "batch_input": [],
        "batch_output": [],
        "optimization": {
            "priority": "PRIORITY_DEFAULT",
            "input_pinned_memory": {"enable": False},
            "output_pinned_memory": {"enable": False},
            "gather_kernel_buffer_threshold": 0,
            "eager_batching": False,
        },
        **_scheduling(tensors),
        "instance_group": [_instances(name, version)],
        "default_model_filename": "",
        "cc_model_filenames": {},
        "metric_tags": {},
        "parameters": {key: {"string_value": value} for key, value in tensors.parameters},
        "model_warmup": [],
        **({"response_cache": {"enable": True}} if tensors.cached else {}),
        "model_transaction_policy": {"decoupled": tensors.streams == "only"},
    }


def _scheduling(tensors: TensorModel) -> dict[str, Any]:
    if tensors.sequences:
        return {"sequence_batching": {"max_sequence_idle_microseconds": str(tensors.sequences), "direct": {}}}
    return {"dynamic_batching": {}} if tensors.max_batch_size > 0 else {}


def config_type(datatype: str) -> str:
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"


def _tensors(specs: Sequence[TensorSpec]) -> list[shapes.TensorShape]:
    return [shapes.TensorShape(spec.name, spec.datatype, list(spec.shape)) for spec in specs]


def _dims(spec: TensorSpec, *, batched: bool) -> list[int]:
    return list(spec.shape[1:] if batched else spec.shape)


def _input(spec: TensorSpec, *, batched: bool) -> dict[str, Any]:
    return {
        "name": spec.name,
        "data_type": config_type(spec.datatype),
        "format": "FORMAT_NONE",
        "dims": _dims(spec, batched=batched),
        "is_shape_tensor": False,
        "allow_ragged_batch": False,
        "optional": False,
        "is_non_linear_format_io": False,
    }


def _output(spec: TensorSpec, *, batched: bool) -> dict[str, Any]:
    return {
        "name": spec.name,
        "data_type": config_type(spec.datatype),
        "dims": _dims(spec, batched=batched),
        "label_filename": "",
        "is_shape_tensor": False,
        "is_non_linear_format_io": False,
    }


def _instances(name: str, version: Version) -> dict[str, Any]:
    gpu = version.requirement.gpu_units > 0
    return {
        "name": f"{name}_0",
        "kind": "KIND_GPU" if gpu else "KIND_CPU",
        "count": max(1, version.processing.maximum),
        "gpus": [],
        "secondary_devices": [],
        "profile": [],
        "passive": False,
        "host_policy": "",
    }
