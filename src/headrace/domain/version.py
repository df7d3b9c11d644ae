"""A version of a model: its fields (seed 5), the steps of its deployment, and which move is legal when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from headrace.domain.clock import Millis
from headrace.domain.errors import Conflict, NotReady
from headrace.domain.ids import VersionKey
from headrace.domain.image import ContainerImage, FolderRecipe, ImageRecipe
from headrace.domain.replica import Hardware
from headrace.domain.tensor import TensorModel

ARM = -99  # the requirement that stands for another architecture: it is published without a run test (B.2)


class VersionStatus(StrEnum):
    PARTIAL = "partial"
    ACTIVE = "active"
    INACTIVE = "inactive"
    CANCELED = "canceled"
    REJECTED = "rejected"
    DELETED = "deleted"


MOVES: Mapping[VersionStatus, frozenset[VersionStatus]] = {
    VersionStatus.PARTIAL: frozenset(
        {VersionStatus.ACTIVE, VersionStatus.CANCELED, VersionStatus.REJECTED, VersionStatus.DELETED}
    ),
    VersionStatus.ACTIVE: frozenset({VersionStatus.INACTIVE, VersionStatus.REJECTED, VersionStatus.DELETED}),
    VersionStatus.INACTIVE: frozenset({VersionStatus.ACTIVE, VersionStatus.REJECTED, VersionStatus.DELETED}),
    VersionStatus.CANCELED: frozenset({VersionStatus.DELETED}),
    VersionStatus.REJECTED: frozenset({VersionStatus.PARTIAL, VersionStatus.DELETED}),
    VersionStatus.DELETED: frozenset(),
}


class StepState(StrEnum):
    NONE = "NONE"  # never asked for
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Timeout:
    status: Millis = 60_000  # until the model is loaded
    run: Millis = 60_000  # one input


@dataclass(frozen=True, slots=True)
class Requirement:
    """`cpu` like "1000m", `memory` like "1G": the strings of the API, and what they mean in `hardware`."""

    identifier: int = 1
    name: str = ""
    description: str = ""
    cpu: str = "1000m"
    memory: str = "1G"
    gpu_units: int = 0
    hardware: Hardware = field(default_factory=Hardware)


@dataclass(frozen=True, slots=True)
class InputSpec:
    name: str
    accepted_media_types: str = ""  # separated by commas
    maximum_size: int = 0  # bytes; 0: the installation's limit
    description: str = ""


@dataclass(frozen=True, slots=True)
class OutputSpec:
    name: str
    media_type: str = ""
    maximum_size: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True)
class Statistic:
    label: str
    value: float
    category: str = ""
    type: str = ""
    description: str = ""
    highlight: bool = False
    order: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One of the three long steps of a deployment: bringing the image in, the load test, the run test."""

    state: StepState = StepState.NONE
    number: int = 0
    name: str = ""
    percentage: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What the run test brought (runStatus.result)."""

    status: str  # SUCCESSFUL or FAILED
    engine: str
    error: str | None
    started: Millis
    updated: Millis
    ended: Millis
    input_size: int
    elapsed: Millis
    outputs: tuple[tuple[str, str, str], ...] = ()  # name, media type, text ("" for binary)


@dataclass(frozen=True, slots=True)
class Processing:
    minimum: int = 0
    maximum: int = 1


@dataclass(frozen=True, slots=True)
class Version:
    key: VersionKey
    status: VersionStatus
    created: Millis
    updated: Millis
    created_by: str  # e-mail
    timeout: Timeout = field(default_factory=Timeout)
    requirement: Requirement = field(default_factory=Requirement)
    image: ContainerImage = field(default_factory=ContainerImage)
    image_step: Step = field(default_factory=Step)
    load: Step = field(default_factory=Step)
    run: Step = field(default_factory=Step)
    run_result: RunResult | None = None
    recipe: FolderRecipe | ImageRecipe | None = None
    inputs: tuple[InputSpec, ...] = ()
    outputs: tuple[OutputSpec, ...] = ()
    statistics: tuple[Statistic, ...] = ()
    processing: Processing = field(default_factory=Processing)
    input_validation_schema: str = ""
    long_description: str = ""
    technical_details: str = ""
    performance_summary: str = ""
    version_history: str = ""
    source_type: str = "Custom Model"
    sample_input: str = ""  # JSON text, or "" until there is one
    sample_output: str = ""
    isolation: str = ""  # the isolation of the replica that passed the load test
    tensors: TensorModel | None = None  # what the loaded model said of its tensors

    @property
    def active(self) -> bool:
        return self.status is VersionStatus.ACTIVE


def check_move(version: Version, new: VersionStatus) -> None:
    """Raises Conflict for a move that is not in the table, NotReady when a step of the deployment is missing."""
    if new is version.status:
        return
    if new not in MOVES[version.status]:
        raise Conflict(f"version {version.key} is {version.status} and cannot become {new}")
    if new is VersionStatus.ACTIVE and (missing := missing_steps(version)):
        raise NotReady(f"version {version.key} cannot be active yet: {missing[0]}")


def missing_steps(version: Version) -> list[str]:
    """What is still to be done before activation, as sentences; the first is the next one to do."""
    path = f"/api/models/{version.key.model}/versions/{version.key.version}"
    missing = []
    if version.image_step.state is not StepState.DONE:
        missing.append(_step("container image", version.image_step, f"POST {path}/container-image"))
    if version.load.state is not StepState.DONE:
        missing.append(_step("load test", version.load, f"POST {path}/load-process"))
    if version.requirement.identifier != ARM and version.run.state is not StepState.DONE:
        missing.append(_step("run test", version.run, f"POST {path}/run-process"))
    return missing


def _step(name: str, step: Step, request: str) -> str:
    match step.state:
        case StepState.FAILED:
            return f"the {name} failed ({step.error}); mend the cause and repeat {request}"
        case StepState.WAITING | StepState.RUNNING:
            return f"the {name} is still under way ({step.percentage} %)"
        case _:
            return f"the {name} has not been done; send {request}"
