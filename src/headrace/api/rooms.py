"""What the doors are given: the rooms behind them, made by assemble."""

from dataclasses import dataclass, field
from pathlib import Path

from headrace.accounts.allowances import Allowances
from headrace.accounts.keys import Keys
from headrace.accounts.once import Once
from headrace.accounts.people import People
from headrace.api.bodies import Bodies
from headrace.api.pages import Ready
from headrace.api.regions import Regions
from headrace.api.tuned import Tuned
from headrace.catalog.directory import Directory
from headrace.catalog.models import Models
from headrace.catalog.pictures import Pictures
from headrace.catalog.tags import Tags
from headrace.catalog.test_inputs import TestInputs
from headrace.catalog.versions import Versions
from headrace.deployment.deployment import Deployment
from headrace.dialects.slots import Slots
from headrace.domain.body import BodyStore
from headrace.fleet.reconcile import Fleet
from headrace.inference.ask import Ask
from headrace.jobs.cancel import Cancel
from headrace.jobs.dead import Dead
from headrace.jobs.history import History
from headrace.jobs.shares import Shares
from headrace.jobs.submit import Submit
from headrace.jobs.uploads import Uploads
from headrace.settings import Settings
from headrace.telemetry.metrics import Metrics
from headrace.telemetry.requests import Requests


@dataclass(frozen=True, slots=True)
class Rooms:
    settings: Settings
    keys: Keys
    people: People
    allowances: Allowances
    models: Models
    directory: Directory
    versions: Versions
    tags: Tags
    pictures: Pictures
    test_inputs: TestInputs
    deployment: Deployment
    fleet: Fleet
    ask: Ask
    submit: Submit
    uploads: Uploads
    cancel: Cancel
    dead: Dead
    shares: Shares
    once: Once
    history: History
    blobs: BodyStore
    spool: Path  # a folder of our own for uploads that are on their way
    ready: Ready
    metrics: Metrics = field(default_factory=Metrics)
    tuned: Tuned = field(default_factory=Tuned)
    regions: Regions = field(default_factory=Regions)
    bodies: Bodies = field(default_factory=Bodies)  # of requests, by whatever door
    calls: Requests = field(default_factory=lambda: Requests("grpc"))
    requests: Requests = field(default_factory=lambda: Requests("http"))
    slots: Slots = field(default_factory=lambda: Slots(0))
