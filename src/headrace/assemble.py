"""The only place that knows all rooms: settings → storage → rooms → doors, as one object graph."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from starlette.types import ASGIApp

from headrace.accounts.allowances import Allowances
from headrace.accounts.keys import Keys
from headrace.accounts.once import Once
from headrace.accounts.people import People
from headrace.api.app import application
from headrace.api.bodies import Bodies
from headrace.api.regions import Regions
from headrace.api.rooms import Rooms
from headrace.api.tuned import Tuned
from headrace.catalog.directory import Directory
from headrace.catalog.kept_blobs import kept_blobs
from headrace.catalog.models import Models
from headrace.catalog.pictures import Pictures
from headrace.catalog.tags import Tags
from headrace.catalog.test_inputs import TestInputs
from headrace.catalog.versions import Versions
from headrace.deployment.archives import Archives, FolderArchives, StoredArchives
from headrace.deployment.artefact_rows import kept_artefacts
from headrace.deployment.artefacts import Artefacts, FoldersOnDemand, ImagesOnDemand
from headrace.deployment.containers import Containers
from headrace.deployment.deployment import Deployment
from headrace.deployment.folders import Folders
from headrace.deployment.import_image import ImportImage
from headrace.deployment.load_test import LoadTest
from headrace.deployment.rows import kept_archives
from headrace.deployment.run_test import RunTest
from headrace.deployment.turns import SharedTurns, Turns
from headrace.deployment.upkeep import Upkeep
from headrace.dialects.slots import Slots
from headrace.fleet import elsewhere
from headrace.fleet import metrics as fleet_metrics
from headrace.fleet.demand import Demand
from headrace.fleet.dial import Dialects
from headrace.fleet.lifecycle import Lifecycle, Runners
from headrace.fleet.reconcile import Fleet
from headrace.fleet.routing import Routing
from headrace.images.oci.store import Store
from headrace.images.outbound import outbound
from headrace.images.shelf import Shelf
from headrace.inference import metrics as inference_metrics
from headrace.inference.ask import Ask
from headrace.inference.calls import Calls
from headrace.inference.events import Events
from headrace.jobs import metrics as job_metrics
from headrace.jobs.bell import Bell
from headrace.jobs.cancel import Cancel, Deadlines
from headrace.jobs.dead import Dead
from headrace.jobs.dispatch import Dispatch
from headrace.jobs.history import History
from headrace.jobs.history_rows import used_blobs
from headrace.jobs.piece_bodies import PieceBodies
from headrace.jobs.retention import Retention
from headrace.jobs.room import OnlyServer, Room
from headrace.jobs.shares import Shares
from headrace.jobs.spool import Spool
from headrace.jobs.submit import Submit
from headrace.jobs.upload_rows import kept_pieces
from headrace.jobs.uploads import Uploads
from headrace.jobs.watch import Watch
from headrace.runners.choose import choose
from headrace.runners.environments import Environments
from headrace.runners.images import Images
from headrace.settings import Settings
from headrace.storage.blobs import BlobStore
from headrace.storage.database import OpenDatabase
from headrace.storage.installation import join, kept_body
from headrace.storage.opening import open_blobs, open_database, servers_of
from headrace.storage.sealing import Seal
from headrace.storage.secrets import secret
from headrace.storage.servers import Servers
from headrace.storage.space import Space
from headrace.telemetry.log import access_log
from headrace.telemetry.metrics import Source
from headrace.telemetry.process import process
from headrace.telemetry.requests import Requests
from headrace.telemetry.trace import Tracer, tracer

Loop = Callable[[], Coroutine[None, None, None]]
KEPT = (used_blobs, kept_pieces, kept_blobs, kept_body, kept_artefacts, kept_archives)  # who says which bodies are used


@dataclass(frozen=True, slots=True)
class House:
    """Everything that `serve` needs: the app to serve, the loops to run, and what to close when they have ended."""

    app: ASGIApp
    loops: tuple[Loop, ...]
    keys: Keys
    database: OpenDatabase
    rooms: Rooms
    openings: tuple[Loop, ...] = ()
    closings: tuple[Loop, ...] = ()


@dataclass(frozen=True, slots=True)
class Ground:
    """What everything else stands on."""

    settings: Settings
    database: OpenDatabase
    servers: Servers
    blobs: BlobStore


def build(settings: Settings, ready: Callable[[], bool]) -> House:
    """Opens the data folder. Raises StorageFailed, Unsupported."""
    data = settings.data
    ground = _ground(settings)
    database, blobs = ground.database, ground.blobs
    keys = Keys(database, secret(data / "secrets", "keys.pepper"), settings.accounts.account)
    people = People(database, settings.accounts.account)
    models, versions, test_inputs = Models(database), Versions(database), TestInputs(database)
    directory = Directory(models, versions)

    stock = _stock(ground)
    demand = Demand()
    routing = Routing(demand)
    tuned = Tuned()
    containers = Images(settings.runners, data, stock.images)
    ask = Ask(routing, settings.inference, _tracer(settings, tuned), events(settings))
    outside = Calls(ask, directory, models, blobs, allowed=settings.inference.calls)
    dialects = Dialects(blobs, settings.runners.output, outside)
    fleet = Fleet(
        *(versions, routing, demand),
        Lifecycle(_runners(settings, stock, containers), dialects, routing, data, settings.runners.stop_grace),
        settings.fleet,
    )
    deployment = Deployment(
        *(versions, test_inputs, fleet),
        _import_image(ground, models, versions, stock),
        LoadTest(models, versions, fleet),
        RunTest(versions, test_inputs, fleet, ask),
    )
    _share(ground, fleet, deployment)

    space = Space(data, settings.storage.ballast, settings.storage.floor)
    room = _room(ground, space)
    once = Once(database, room.servers.me, room.servers.gone)
    spool = PieceBodies(database, blobs) if _bucket(settings) else Spool(_shared(settings) / "spool" / "jobs")
    submit = Submit(room, directory, versions, blobs)
    log = access_log(settings.telemetry.access_log)
    retention = Retention(database, blobs, spool, uses=KEPT, once=once)
    rooms = Rooms(
        settings=settings, keys=keys, people=people, allowances=Allowances(database, people), models=models,
        directory=directory, ask=ask, versions=versions, tags=Tags(database),
        pictures=Pictures(models, blobs), test_inputs=test_inputs,
        deployment=deployment, fleet=fleet, submit=submit, uploads=Uploads(room, submit, blobs, spool),
        cancel=Cancel(room), dead=Dead(room, submit), shares=Shares(database), once=once,
        history=History(room), blobs=blobs, spool=_folder(_shared(settings) / "spool" / "uploads"),
        ready=ready, tuned=tuned, requests=Requests("http", log), calls=Requests("grpc", log),
        regions=Regions(settings.oip.shared_memory), bodies=Bodies(settings.oip.bodies_limit),
        slots=Slots(settings.inference.slots),
    )  # fmt: skip
    tell(rooms, room, outside.measures.families)
    loops = (
        *(fleet.run, ask.run, outside.run, deployment.run_forever, containers.recover, space.run),
        Dispatch(room, versions, ask, demand, models.touch).run,
        partial(ground.servers.as_leader, Deadlines(room).run),
        partial(ground.servers.as_leader, retention.run),
        *(database.events.run, ground.servers.run),
    )
    opening = partial(join, database, _secrets(settings), blobs)
    return House(application(rooms), loops, keys, database, rooms, (opening,), (ask.close, containers.close))


def _ground(settings: Settings) -> Ground:
    database = open_database(settings.storage, settings.data)
    servers = servers_of(database, settings.storage)
    return Ground(settings, database, servers, open_blobs(settings.storage, settings.data))


def _tracer(settings: Settings, tuned: Tuned) -> Tracer | None:
    return tracer(wanted=settings.telemetry.traces, sampling=tuned.sampling)


def events(settings: Settings) -> Events | None:
    url = settings.telemetry.events
    if not url:
        return None
    return Events(outbound(url, "telemetry.events", settings.images.ca), settings.telemetry, settings.oip.server_name)


def _share(ground: Ground, fleet: Fleet, deployment: Deployment) -> None:
    """What one server does, and what it knows, in view of the others."""
    servers = ground.servers
    deployment.share(SharedTurns(ground.database, servers) if servers.shared else Turns())
    fleet.beside(lambda: servers.place, lambda: [other.told for other in servers.others])
    servers.heed(fleet.changed)
    servers.tell(lambda: elsewhere.told(fleet.statuses()))


def _room(ground: Ground, space: Space) -> Room:
    database, known = ground.database, ground.servers if ground.servers.shared else OnlyServer()
    told = database.events
    work, deadlines = Bell(told, "jobs.work"), Bell(told, "jobs.deadlines")
    return Room(database, ground.settings.jobs, known, space, work=work, deadlines=deadlines, watch=Watch(told))


def _shared(settings: Settings) -> Path:
    """The folder of what all servers must see, when that is a folder."""
    blobs = settings.storage.blobs
    return Path(blobs) if blobs.startswith("/") else settings.data


def _bucket(settings: Settings) -> bool:
    """Whether bodies are in an object store: then so is all else that further servers must see."""
    return bool(settings.storage.blobs) and not settings.storage.blobs.startswith("/")


def _secrets(settings: Settings) -> dict[str, bytes]:
    folder = settings.data / "secrets"
    return {name: secret(folder, name) for name in ("keys.pepper", "blobs.key", "credentials.key")}


@dataclass(frozen=True, slots=True)
class Stock:
    """What was brought in, on this machine's disk."""

    images: Store
    shelf: Shelf
    environments: Environments
    artefacts: Artefacts


def _stock(ground: Ground) -> Stock:
    settings = ground.settings
    images, shelf = Store(settings.data, settings.images), Shelf(settings.data, settings.images)
    artefacts = Artefacts(ground.database, ground.blobs, shelf, images, shared=ground.servers.shared)
    return Stock(images, shelf, Environments(settings.data, settings.runners), artefacts)


def _runners(settings: Settings, stock: Stock, containers: Images) -> Runners:
    folders = FoldersOnDemand(choose(settings.runners, settings.data), stock.artefacts, stock.environments)
    return Runners(folders, ImagesOnDemand(containers, stock.artefacts))


def _import_image(ground: Ground, models: Models, versions: Versions, stock: Stock) -> ImportImage:
    settings = ground.settings
    folders = Folders(stock.shelf, stock.environments, settings.data)
    containers = _containers(settings, versions, stock)
    return ImportImage(ground.database, models, versions, _archives(ground), folders, containers)


def _archives(ground: Ground) -> Archives:
    settings = ground.settings
    if _bucket(settings):
        return StoredArchives(ground.blobs, settings.data / "spool" / "archives")
    return FolderArchives(_shared(settings) / "imports", alone=not ground.servers.shared)


def _containers(settings: Settings, versions: Versions, stock: Stock) -> Containers:
    seal = Seal(secret(settings.data / "secrets", "credentials.key"))
    upkeep = Upkeep(versions, stock.shelf, stock.images, stock.artefacts)
    return Containers(stock.images, upkeep, seal, settings.images)


def tell(rooms: Rooms, room: Room, *more: Source) -> None:
    """Who tells what at GET /metrics."""
    rooms.metrics.add(
        inference_metrics.source(rooms.ask, triton_names=rooms.settings.telemetry.triton_names),
        fleet_metrics.source(rooms.fleet),
        job_metrics.source(room),
        rooms.requests.families,
        rooms.calls.families,
        process,
        *more,
    )


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path
