"""Versions, the steps of their deployment, and what their engines do (contracts/modzy.md, A.3.3, A.5)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from headrace.api.modzy.shapes import models, times
from headrace.api.modzy.shapes.models import ModelShape
from headrace.catalog.search import is_available
from headrace.domain.body import Body, size_of
from headrace.domain.clock import Millis
from headrace.domain.ids import VersionKey
from headrace.domain.image import ContainerImage
from headrace.domain.model import Model
from headrace.domain.replica import ReplicaState
from headrace.domain.version import Requirement, RunResult, Step, StepState, Version
from headrace.fleet.logs import KeptLog
from headrace.fleet.status import EngineInfo, EngineStatus

READY = frozenset({ReplicaState.READY, ReplicaState.RUNNING})


class TimeoutShape(msgspec.Struct):
    """Milliseconds."""

    status: int
    run: int


class VersionRequirement(msgspec.Struct, rename="camel"):
    requirement_id: int
    gpu_units: int
    cpu_amount: str
    memory_amount: str
    name: str
    description: str


class ContainerImageShape(msgspec.Struct, rename="camel"):
    upload_status: str
    load_status: str
    upload_percentage: int
    load_percentage: int
    container_image_size: int
    registry_host: str
    repository_namespace: str
    image_prefix: str
    repository_name: str


class StepShape(msgspec.Struct, rename="camel"):
    step: int
    step_name: str
    percentage: int


class RunStatus(StepShape, kw_only=True):
    """`result` also holds the outputs, each under its own name; `results.json` is always there."""

    result: dict[str, Any] | None


class InputShape(msgspec.Struct, rename="camel"):
    name: str
    accepted_media_types: str
    maximum_size: int
    description: str


class OutputShape(msgspec.Struct, rename="camel"):
    """The second spelling of the media type is what Go reads."""

    name: str
    media_type: str
    maximum_size: int
    description: str
    media_types: str


class StatisticShape(msgspec.Struct):
    label: str
    category: str
    type: str
    description: str
    highlight: bool
    order: int
    value: float


class ProcessingShape(msgspec.Struct, rename="camel"):
    minimum_parallel_capacity: int
    maximum_parallel_capacity: int


class VersionShape(msgspec.Struct, rename="camel"):
    version: str
    created_at: str
    updated_at: str
    input_validation_schema: str
    timeout: TimeoutShape
    requirement: VersionRequirement
    container_image: ContainerImageShape
    load_status: StepShape
    run_status: RunStatus
    inputs: list[InputShape]
    outputs: list[OutputShape]
    statistics: list[StatisticShape]
    is_active: bool
    long_description: str
    technical_details: str
    sample_input: str | None
    sample_output: str | None
    is_available: bool
    source_type: str
    version_history: str
    status: str
    performance_summary: str
    model: ModelShape
    processing: ProcessingShape
    origin_sidecar: bool
    available_in_client_registry: bool
    created_by: str
    image_prefix: str
    isolation: str
    takes_tensors: bool


class VersionName(msgspec.Struct):
    version: str


class TestInputShape(msgspec.Struct, rename="camel"):
    """A test file: for which input of the model, what it was called, its bytes."""

    __test__ = False  # not a test, whatever its name looks like to pytest

    name: str
    filename: str
    size: int


class Engines(msgspec.Struct, rename="camel"):
    identifier: str
    version: str
    failed: int
    queued: int
    spinning_up: int
    spinning_down: int
    running: int
    ready: int


class Condition(msgspec.Struct):
    type: str
    status: str


class Engine(msgspec.Struct, rename="camel"):
    name: str
    created_at: str
    ready: bool
    conditions: list[Condition]


class Queued(msgspec.Struct):
    queued: int


class DeploymentState(msgspec.Struct, rename="camel"):
    has_error: bool
    ready: bool
    being_monitored: bool


class RunningModel(msgspec.Struct, rename="camel"):
    identifier: str
    version: str
    deployed_at: str
    engines: list[Engine]
    inputs: Queued
    jobs: Queued
    situations: list[str]
    model_deployment_state: DeploymentState


class LogEntry(msgspec.Struct, rename="camel"):
    """An engine, running or not, of whose prints something is kept."""

    name: str
    identifier: str
    size: int
    updated_at: str


class EngineLog(msgspec.Struct):
    name: str
    identifier: str
    log: str


def log_entry(log: KeptLog) -> LogEntry:
    return LogEntry(log.name, log.model, log.size, times.text(log.updated))


def version(one: Version, of: Model, now: Millis) -> VersionShape:
    return VersionShape(
        version=one.key.version,
        created_at=times.text(one.created),
        updated_at=times.text(one.updated),
        input_validation_schema=one.input_validation_schema,
        timeout=TimeoutShape(one.timeout.status, one.timeout.run),
        requirement=_requirement(one.requirement),
        container_image=_image(one.image),
        load_status=step(one.load),
        run_status=run_status(one),
        inputs=[
            InputShape(spec.name, spec.accepted_media_types, spec.maximum_size, spec.description)
            for spec in one.inputs
        ],
        outputs=[
            OutputShape(spec.name, spec.media_type, spec.maximum_size, spec.description, spec.media_type)
            for spec in one.outputs
        ],
        statistics=[
            StatisticShape(found.label, found.category, found.type, found.description, found.highlight, found.order,
                           found.value)
            for found in one.statistics
        ],
        is_active=one.active,
        long_description=one.long_description,
        technical_details=one.technical_details,
        sample_input=one.sample_input or None,
        sample_output=one.sample_output or None,
        is_available=is_available(one),
        source_type=one.source_type,
        version_history=one.version_history,
        status=one.status,
        performance_summary=one.performance_summary,
        model=models.model(of, now),
        processing=ProcessingShape(one.processing.minimum, one.processing.maximum),
        origin_sidecar=False,
        available_in_client_registry=False,
        created_by=one.created_by,
        image_prefix=one.image.image_prefix,
        isolation=one.isolation,
        takes_tensors=one.tensors is not None,
    )  # fmt: skip


def _requirement(one: Requirement) -> VersionRequirement:
    return VersionRequirement(one.identifier, one.gpu_units, one.cpu, one.memory, one.name, one.description)


def step(one: Step) -> StepShape:
    return StepShape(one.number, one.name, one.percentage)


def run_status(one: Version) -> RunStatus:
    """A failed test is at 100 %: the clients poll until then, and find the reason in `result`."""
    run = one.run
    result = None if one.run_result is None else _run_result(one.run_result)
    if run.state is not StepState.FAILED:
        return RunStatus(run.number, run.name, run.percentage, result=result)
    return RunStatus(run.number, run.name, 100, result=result or _failed(run.error, one.updated))


def _run_result(found: RunResult) -> dict[str, Any]:
    times_ = {"startTime": found.started, "endTime": found.ended, "updateTime": found.updated}
    return {
        "status": found.status,
        "engine": found.engine,
        "error": found.error,
        **{name: times.text(at) for name, at in times_.items()},
        "inputSize": found.input_size,
        "elapsedTime": found.elapsed,
        "results.json": None,
        **{name: _test_output(media_type, text) for name, media_type, text in found.outputs},
    }


def _failed(error: str, at: Millis) -> dict[str, Any]:
    return _run_result(RunResult("FAILED", "", error, at, at, at, 0, 0))


def _test_output(media_type: str, text: str) -> Any:
    if not media_type.startswith("application/json"):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def files_of_test(bodies: Mapping[str, Body], filenames: Mapping[str, str]) -> list[TestInputShape]:
    return [TestInputShape(name, filenames.get(name, ""), size_of(body)) for name, body in bodies.items()]


def _image(image: ContainerImage) -> ContainerImageShape:
    return ContainerImageShape(
        upload_status=image.upload_status,
        load_status=image.load_status,
        upload_percentage=image.upload_percentage,
        load_percentage=image.load_percentage,
        container_image_size=image.size,
        registry_host=image.registry_host,
        repository_namespace=image.repository_namespace,
        image_prefix=image.image_prefix,
        repository_name=image.repository_name,
    )


def engines(found: Mapping[VersionKey, EngineStatus]) -> list[Engines]:
    return [
        Engines(key.model, key.version, now.failed, now.queued, now.spinning_up, now.spinning_down, now.running,
                now.ready)
        for key, now in found.items()
    ]  # fmt: skip


def running_model(one: Version, status: EngineStatus, jobs: int) -> RunningModel:
    situations = [*status.conditions, *([status.last_error] if status.last_error else [])]
    return RunningModel(
        identifier=one.key.model,
        version=one.key.version,
        deployed_at=times.text(one.updated),
        engines=[_engine(engine) for engine in status.engines],
        inputs=Queued(status.waiting),
        jobs=Queued(jobs),
        situations=situations,
        model_deployment_state=DeploymentState(status.failed > 0, status.ready > 0, being_monitored=True),
    )


def _engine(engine: EngineInfo) -> Engine:
    ready = engine.state in READY
    return Engine(engine.name, times.text(engine.created), ready, [Condition("Ready", str(ready))])
