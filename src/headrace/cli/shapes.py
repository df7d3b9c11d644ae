"""The answers of the API that the commands read: only the fields that they use, all with a default."""

from typing import Any

import msgspec


class Shape(msgspec.Struct, rename="camel"):
    """Unknown fields are passed over: a newer server may say more."""


class Tag(Shape):
    name: str = ""


class ModelRow(Shape):
    """GET /models, and its details from GET /models/{id}."""

    model_id: str = ""
    identifier: str = ""  # POST /models
    name: str = ""
    description: str = ""
    author: str = ""
    latest_version: str = ""
    latest_active_version: str = ""
    versions: list[str] = []
    tags: list[Tag] = []
    is_active: bool = False
    created_by_email: str = ""


class Put(Shape):
    """One input or output of a version."""

    name: str
    accepted_media_types: str = ""
    media_type: str = ""
    maximum_size: int = 0
    description: str = ""


class Milliseconds(Shape):
    status: int = 60_000
    run: int = 60_000


class Hardware(Shape):
    """One line of GET /models/requirements/account."""

    requirement_id: int = 1
    name: str = ""
    cpu_amount: str = "1000m"
    memory_amount: str = "1G"
    gpu_units: int = 0
    status: str = "ACTIVE"


class Capacity(Shape):
    minimum_parallel_capacity: int = 0
    maximum_parallel_capacity: int = 1


class VersionDetails(Shape):
    version: str = ""
    status: str = ""
    inputs: list[Put] = []
    outputs: list[Put] = []
    timeout: Milliseconds = msgspec.field(default_factory=Milliseconds)
    requirement: Hardware | None = None
    processing: Capacity = msgspec.field(default_factory=Capacity)
    is_active: bool = False
    long_description: str = ""
    isolation: str = ""
    takes_tensors: bool = False


class Outcome(Shape):
    status: str = ""
    error: str | None = None
    elapsed_time: int = 0


class Progress(Shape):
    """GET container-image, load-process and run-process."""

    step: int = 0
    step_name: str = ""
    percentage: int = 0
    result: Outcome | None = None


class Pointer(Shape):
    identifier: str = ""
    version: str = ""
    name: str = ""


class Job(Shape):
    """A receipt, the details of a job, or a line of the history."""

    job_identifier: str = ""
    status: str = ""
    model: Pointer = msgspec.field(default_factory=Pointer)
    submitted_at: str | None = None
    submitted_by: str = ""
    total: int = 0
    total_inputs: int = 0
    pending: int = 0
    completed: int = 0
    failed: int = 0
    elapsed_time: int = 0
    queue_time: int = 0


class DeadJob(Shape):
    """A job with dead letters that were not tried again."""

    job_identifier: str = ""
    status: str = ""
    model: Pointer = msgspec.field(default_factory=Pointer)
    dead: int = 0
    total: int = 0


class DeadLetter(Shape):
    input: str = ""
    error: str = ""
    died_at: str = ""
    redriven_in: str | None = None


class Results(Shape):
    """Each result is an object whose keys with a dot in them are outputs (contract A.7)."""

    job_identifier: str = ""
    total: int = 0
    completed: int = 0
    failed: int = 0
    finished: bool = False
    elapsed_time: int = 0
    average_model_latency: float = 0.0
    results: dict[str, dict[str, Any]] = {}
    failures: dict[str, dict[str, Any]] = {}


class Features(Shape):
    input_chunk_maximum_size: str = "1M"


class Engine(Shape):
    identifier: str = ""
    version: str = ""
    failed: int = 0
    queued: int = 0
    spinning_up: int = 0
    spinning_down: int = 0
    running: int = 0
    ready: int = 0


class LogEntry(Shape):
    name: str = ""
    identifier: str = ""
    size: int = 0
    updated_at: str = ""


class EngineLog(Shape):
    name: str = ""
    log: str = ""


class Person(Shape):
    identifier: str = ""
    email: str = ""
    first_name: str = ""
    last_name: str = ""


class AccessKey(Shape):
    prefix: str = ""
    name: str | None = ""
    status: str = ""
    roles: list[str] = []
    created_at: str | None = None
    last_active_date_time: str | None = None
    user: Person | None = None


class NewUserKey(Shape):
    """POST …/accounts/{account}/users: the new user's keys, without their bodies."""

    access_keys: list[AccessKey] = []


class KeyBody(Shape):
    """The part after the dot, which is shown once."""

    prefix: str = ""
    hash: str = ""
