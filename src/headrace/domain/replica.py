"""A replica: one running instance of one version, called a processing engine in the API."""

from dataclasses import dataclass
from enum import StrEnum


class Isolation(StrEnum):
    """What stands between a model's code and the machine, from weak to strong. Told in the version and by doctor."""

    PROCESS = "process"  # own process group, limits, scrubbed environment, own directory
    SANDBOX = "sandbox"  # the same inside bubblewrap: no network, read-only system, own user and process namespace
    CONTAINER = "container"


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
