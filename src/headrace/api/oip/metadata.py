"""What a server and a model say of themselves (contracts/oip.md, A3, A4, A16). Pure; REST and gRPC say the same."""

from collections.abc import Sequence
from importlib.metadata import version as installed

from msgspec import UNSET

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
    "trace",
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


def _tensors(specs: Sequence[TensorSpec]) -> list[shapes.TensorShape]:
    return [
        shapes.TensorShape(spec.name, spec.datatype, list(spec.shape), dict(spec.parameters) or UNSET) for spec in specs
    ]
