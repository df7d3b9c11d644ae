"""What a version runs: where it came from, how far its import is, and how it is started once it is imported."""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """The source of a version's code and the progress of bringing it in (seed 5, containerImage)."""

    upload_status: str = "IN_PROGRESS"
    load_status: str = "IN_PROGRESS"
    upload_percentage: int = 0
    load_percentage: int = 0
    size: int = 0  # bytes, packed
    registry_host: str = ""
    repository_namespace: str = ""
    repository_name: str = ""
    image_prefix: str = ""
    digest: str = ""  # of the container image that this version is: another one is another version


@dataclass(frozen=True, slots=True)
class FolderRecipe:
    """How to start a model folder. Paths are relative to the data folder, so that it can be moved."""

    folder: str  # the unpacked, read-only copy
    environment: str  # the environment that uv made for it
    entry: str  # "file.py:Class", or "format:path" for a format of images/formats
    variables: tuple[tuple[str, str], ...] = ()
    tensors: str = ""  # JSON: the tensors that model.yaml declares, "" when it declares none


class Contract(StrEnum):
    """How a container answers questions (contracts of the model templates)."""

    MODZY_HTTP = "modzy-http"  # v1: /status, /run over a shared folder, /shutdown
    MODZY_GRPC = "modzy-grpc"  # v2: ModzyModel with Status, Run, Shutdown
    OIP = "oip"  # the Open Inference Protocol over HTTP


@dataclass(frozen=True, slots=True)
class ImageRecipe:
    """How to start a container image: it lies in our own store under its digest."""

    digest: str  # "sha256:…" of the manifest for this machine's platform
    reference: str  # what it was called, for people: "registry:5000/ns/name:tag", or the file's name
    contract: Contract | None = None  # None until the load test has found out by asking
    port: int = 0  # 0: the contract's own


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says about how it wants to be started."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    user: str = ""
    workdir: str = ""
    ports: tuple[int, ...] = ()  # of TCP, in the order of their numbers
    labels: tuple[tuple[str, str], ...] = ()
    stop_signal: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a model folder's model.yaml says about itself: it prefills the version where the version says nothing."""

    name: str = ""
    summary: str = ""
    description: str = ""
    inputs: tuple[tuple[str, str, int, str], ...] = ()  # name, accepted media types, maximum bytes, description
    outputs: tuple[tuple[str, str, int, str], ...] = ()  # name, media type, maximum bytes, description
    status_timeout: int | None = None  # milliseconds
    run_timeout: int | None = None
    memory: str = ""  # "512M"
    cpu: str = ""  # "1000m"
    tags: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
