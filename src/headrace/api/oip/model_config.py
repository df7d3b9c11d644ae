"""Triton's ModelConfig of a model, as protobuf writes it in JSON (contracts/oip.md, A16). REST and gRPC say the same.

A model of a Triton repository gives back what was deployed with it; of all others it is made of what they said.
"""

import importlib
from collections.abc import Set as AbstractSet
from typing import Any

from headrace.api.oip import metadata
from headrace.domain.tensor import TensorModel, TensorSpec
from headrace.domain.version import Version

# what the server decides, whatever the deployed configuration says
DECIDED = frozenset(
    {"name", "max_batch_size", "input", "output", "instance_group", "model_transaction_policy", "response_cache"}
)
TENSOR = frozenset({"name", "data_type", "dims"})
SCHEDULING = frozenset({"dynamic_batching", "sequence_batching", "ensemble_scheduling"})
_CONFIG_TEXT = "headrace.api.oip.config_text"  # imported when somebody asks: it takes a tenth of a second


def config(name: str, version: Version) -> dict[str, Any]:
    """Dimensions are without the batch."""
    tensors = metadata.tensors_of(version)
    batched = tensors.max_batch_size > 0
    decided = {
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
    return _laid_over(decided, _deployed(tensors.config)) if tensors.config else decided


def _deployed(text: str) -> dict[str, Any]:
    """Nothing where it cannot be read: the model's own reader is more patient."""
    found: dict[str, Any] = importlib.import_module(_CONFIG_TEXT).as_json(text)
    return found


def _laid_over(decided: dict[str, Any], deployed: dict[str, Any]) -> dict[str, Any]:
    """What was deployed, but for what this server decides by itself."""
    found = {key: one for key, one in deployed.items() if key not in DECIDED}
    for key in ("input", "output"):
        said = {one.get("name"): one for one in deployed.get(key, ())}
        found[key] = [one | _without(said.get(one["name"], {}), TENSOR) for one in decided[key]]
    for key in ("optimization", "parameters"):
        found[key] = decided[key] | deployed.get(key, {})
    if "sequence_batching" in found:
        found["sequence_batching"] = _sequences(found["sequence_batching"], decided.get("sequence_batching", {}))
    if SCHEDULING & found.keys():  # there is one at most
        decided = _without(decided, SCHEDULING)
    return decided | found


def _sequences(said: dict[str, Any], decided: dict[str, Any]) -> dict[str, Any]:
    """The time after which an idle one ends has a default of ours, and the strategy has one of Triton's."""
    strategy: dict[str, Any] = {} if "oldest" in said else {"direct": {}}
    return strategy | said | {key: one for key, one in decided.items() if key != "direct"}


def _without(said: dict[str, Any], keys: AbstractSet[str]) -> dict[str, Any]:
    return {key: one for key, one in said.items() if key not in keys}


def _scheduling(tensors: TensorModel) -> dict[str, Any]:
    if tensors.sequences:
        return {"sequence_batching": {"max_sequence_idle_microseconds": str(tensors.sequences), "direct": {}}}
    return {"dynamic_batching": {}} if tensors.max_batch_size > 0 else {}


def config_type(datatype: str) -> str:
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"


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
