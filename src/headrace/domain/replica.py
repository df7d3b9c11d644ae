"""A replica: one running instance of one version, called a processing engine in the API."""

from dataclasses import dataclass
from enum import StrEnum

from headrace.domain.image import Contract


class Isolation(StrEnum):
    """What stands between a model's code and the machine, from weak to strong. Told in the version and by doctor."""

    PROCESS = "process"  # own process group, limits, scrubbed environment, own directory
    SANDBOX = "sandbox"  # the same inside bubblewrap: no network, read-only system, own user and process namespace
    CONTAINER = "container"  # an engine's container: no network, read-only root, no capabilities, every limit
    CONTAINER_PUBLISHED = "container, its ports published on 127.0.0.1"  # the same with a network of the engine


class ReplicaState(StrEnum):
    SPINNING_UP = "spinningUp"
    READY = "ready"
    RUNNING = "running"  # ready, and at work just now
    SPINNING_DOWN = "spinningDown"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Hardware:
    """What one replica may use. Enforced, not advised."""

    cpu_millis: int = 1_000
    memory_bytes: int = 1 << 30
    gpu_units: int = 0


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything that a runner needs to start one replica of a model folder."""

    name: str  # unique among running replicas, also the engine's name in results
    folder: str  # absolute path of the unpacked model folder; read-only to the model
    python: str  # absolute path of the interpreter in the model's own environment
    entry: str  # "file.py:Class" inside the folder
    hardware: Hardware
    environment: tuple[tuple[str, str], ...] = ()  # variables that the model's own model.yaml asks for
    model: str = ""  # as Open Inference answers name it
    version: str = ""


@dataclass(frozen=True, slots=True)
class ImageLaunch:
    """Everything that a runner needs to start one replica of a container image that lies in our store."""

    name: str  # as in Launch
    digest: str  # "sha256:…" of the manifest
    reference: str  # what people call it
    hardware: Hardware
    contract: Contract | None = None  # None: to be found out
    port: int = 0
    model: str = ""
    version: str = ""
