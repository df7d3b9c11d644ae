"""The only place that knows all rooms: settings → storage → rooms → doors, as one object graph."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

from starlette.types import ASGIApp

from headrace.accounts.allowances import Allowances
from headrace.accounts.keys import Keys
from headrace.accounts.people import People
from headrace.api.app import application
from headrace.api.rooms import Rooms
from headrace.catalog.directory import Directory
from headrace.catalog.kept_blobs import kept_blobs
from headrace.catalog.models import Models
from headrace.catalog.pictures import Pictures
from headrace.catalog.tags import Tags
from headrace.catalog.test_inputs import TestInputs
from headrace.catalog.versions import Versions
from headrace.deployment.deployment import Deployment
from headrace.deployment.import_image import ImportImage
from headrace.deployment.load_test import LoadTest
from headrace.deployment.run_test import RunTest
from headrace.dialects.frames import Frames
from headrace.fleet import metrics as fleet_metrics
from headrace.fleet.demand import Demand
from headrace.fleet.lifecycle import Lifecycle
from headrace.fleet.reconcile import Fleet
from headrace.fleet.routing import Routing
from headrace.images.shelf import Shelf
from headrace.inference import metrics as inference_metrics
from headrace.inference.ask import Ask
from headrace.jobs import metrics as job_metrics
from headrace.jobs.cancel import Cancel, Deadlines
from headrace.jobs.dispatch import Dispatch
from headrace.jobs.history import History
from headrace.jobs.history_rows import used_blobs
from headrace.jobs.retention import Retention
from headrace.jobs.room import Room
from headrace.jobs.spool import Spool
from headrace.jobs.submit import Submit
from headrace.jobs.uploads import Uploads
from headrace.runners.choose import choose
from headrace.runners.environments import Environments
from headrace.settings import Settings
from headrace.storage.opening import open_blobs, open_database
from headrace.storage.secrets import secret
from headrace.storage.sqlite import Sqlite
from headrace.telemetry.log import access_log
from headrace.telemetry.process import process
from headrace.telemetry.requests import Requests
from headrace.telemetry.trace import tracer

Loop = Callable[[], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True)
class House:
    """Everything that `serve` needs: the app to serve, the loops to run, and what to close at the end."""

    app: ASGIApp
    loops: tuple[Loop, ...]
    keys: Keys
    database: Sqlite
    rooms: Rooms


def build(settings: Settings, ready: Callable[[], bool]) -> House:
    """Opens the data folder. Raises StorageFailed, Unsupported."""
    data = settings.data
    database = open_database(settings.storage, data)
    blobs = open_blobs(settings.storage, data)
    keys = Keys(database, secret(data / "secrets", "keys.pepper"), settings.accounts.account)
    people = People(database, settings.accounts.account)
    models, versions, test_inputs = Models(database), Versions(database), TestInputs(database)

    demand = Demand()
    routing = Routing(demand)
    runner = choose(settings.runners, data)
    lifecycle = Lifecycle(
        runner,
        lambda connection, told: Frames(connection, blobs, settings.runners.output, told),
        routing,
        data,
        settings.runners.stop_grace,
    )
    fleet = Fleet(versions, routing, demand, lifecycle, settings.fleet)
    ask = Ask(routing, settings.inference, tracer(wanted=settings.telemetry.traces))
    deployment = Deployment(
        versions,
        test_inputs,
        fleet,
        ImportImage(
            database, models, versions, Shelf(data, settings.images), Environments(data, settings.runners), data
        ),
        LoadTest(models, versions, fleet),
        RunTest(versions, test_inputs, fleet, ask),
    )

    room = Room(database, settings.jobs)
    spool = Spool(data / "spool" / "jobs")
    submit = Submit(room, models, versions, blobs)
    dispatch = Dispatch(room, versions, ask, demand, models.touch)
    log = access_log(settings.telemetry.access_log)
    retention = Retention(database, blobs, spool, uses=(used_blobs, kept_blobs))
    rooms = Rooms(
        settings=settings, keys=keys, people=people, allowances=Allowances(database, people), models=models,
        directory=Directory(models, versions), ask=ask, versions=versions, tags=Tags(database),
        pictures=Pictures(models, blobs), test_inputs=test_inputs,
        deployment=deployment, fleet=fleet, submit=submit, uploads=Uploads(room, submit, blobs, spool),
        cancel=Cancel(room), history=History(room), blobs=blobs, spool=_folder(data / "spool" / "uploads"),
        ready=ready, requests=Requests("http", log), calls=Requests("grpc", log),
    )  # fmt: skip
    tell(rooms, room)
    loops = (fleet.run, ask.run, deployment.run_forever, dispatch.run, Deadlines(room).run, retention.run)
    return House(application(rooms), loops, keys, database, rooms)


def tell(rooms: Rooms, room: Room) -> None:
    """Who tells what at GET /metrics."""
    rooms.metrics.add(
        inference_metrics.source(rooms.ask, triton_names=rooms.settings.telemetry.triton_names),
        fleet_metrics.source(rooms.fleet),
        job_metrics.source(room),
        rooms.requests.families,
        rooms.calls.families,
        process,
    )


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
