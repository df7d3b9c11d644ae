"""The doors with real rooms behind them; only the replicas are functions in this process."""

import asyncio
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2
from databases import with_tables

from headrace.accounts.allowances import Allowances
from headrace.accounts.keys import Keys, NewKey
from headrace.accounts.once import Once
from headrace.accounts.people import NewUser, People
from headrace.api.app import application
from headrace.api.bodies import Bodies
from headrace.api.regions import Regions
from headrace.api.rooms import Rooms
from headrace.assemble import events, tell
from headrace.catalog.directory import Directory
from headrace.catalog.models import Models
from headrace.catalog.pictures import Pictures
from headrace.catalog.tags import Tags
from headrace.catalog.test_inputs import TestInputs
from headrace.catalog.versions import Versions
from headrace.deployment.archives import FolderArchives
from headrace.deployment.containers import Containers
from headrace.deployment.deployment import Deployment
from headrace.deployment.folders import Folders
from headrace.deployment.import_image import ImportImage
from headrace.deployment.load_test import LoadTest
from headrace.deployment.run_test import RunTest
from headrace.deployment.upkeep import Upkeep
from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.account import Role
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Output
from headrace.domain.version import InputSpec, OutputSpec, Processing, Step, StepState, VersionStatus
from headrace.fleet.demand import Demand
from headrace.fleet.reconcile import Fleet
from headrace.fleet.routing import Routing
from headrace.fleet.seat import Replica
from headrace.images.oci.store import Store
from headrace.images.shelf import Shelf
from headrace.inference.ask import Ask
from headrace.jobs.cancel import Cancel
from headrace.jobs.dead import Dead
from headrace.jobs.dispatch import Dispatch
from headrace.jobs.history import History
from headrace.jobs.room import Room
from headrace.jobs.shares import Shares
from headrace.jobs.spool import Spool
from headrace.jobs.submit import Submit
from headrace.jobs.uploads import Uploads
from headrace.runners.environments import Environments
from headrace.settings import JobSettings, ServerSettings, Settings
from headrace.storage.blobs import FolderBlobs
from headrace.storage.sealing import Seal
from headrace.storage.sqlite import Sqlite

DONE = Step(StepState.DONE, 1, "done", 100)


class Talker:
    """A replica: says what it was told, in several kinds of outputs. "no" fails; "wait" waits for its door."""

    def __init__(self):
        self.door = asyncio.Event()

    async def ready(self, _timeout):
        return ReplicaInfo()

    async def run(self, questions, _timeout):
        for question in questions:
            [content] = question.inputs.values()
            content = bytes(content) if isinstance(content, bytes) else str(content.size).encode()
            at = now()
            if content == b"wait":
                await self.door.wait()
            if content == b"no":
                yield Answer(at, now(), 1.5, error="it says no")
                continue
            yield Answer(
                at,
                now(),
                1.5,
                {
                    "results.json": Output(b'{"said": "%s"}' % content, "application/json"),
                    "note.txt": Output(content, "text/plain"),
                    "raw.bin": Output(bytes(range(256)), "application/octet-stream"),
                },
            )

    def close(self):
        pass


@dataclass
class House:
    rooms: Rooms
    app: object
    routing: Routing
    key: str
    database: Sqlite
    talker: Talker

    @asynccontextmanager
    async def client(self, key=None, **headers):
        headers = {"Authorization": f"ApiKey {key or self.key}"} | headers
        transport = httpx2.ASGITransport(self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost/api", headers=headers) as client:
            yield client

    async def key_of(self, email, *roles):
        """A new user's key."""
        user = await self.rooms.people.create_user(NewUser(email, "Bob", "Ray"), now())
        admin = await self.rooms.keys.principal(f"ApiKey {self.key}")
        _, text = await self.rooms.keys.create(NewKey(user.identifier, admin.team, "", frozenset(roles)), now())
        return text

    async def publish(self, client, name="echo", inputs=("input.txt",)):
        """An active version with a replica, without the steps that lead there."""
        model = (await client.post("/models", json={"name": name, "version": "1.0.0"})).json()["identifier"]
        key = VersionKey(model, "1.0.0")
        await self.rooms.versions.change(
            key,
            lambda version: replace(
                version,
                status=VersionStatus.ACTIVE,
                image_step=DONE,
                load=DONE,
                run=DONE,
                inputs=tuple(InputSpec(name) for name in inputs),
                outputs=(OutputSpec("results.json", "application/json"),),
                processing=Processing(0, 1),
            ),
            now(),
        )
        self.routing.add(key, Replica("engine-1", self.talker))
        return model


@asynccontextmanager
async def house(data: Path, server=None, jobs=None, lifecycle=None, **more):
    server, jobs = server or ServerSettings(hold_results=5.0), jobs or JobSettings()
    settings = Settings(data=data, server=server, jobs=jobs, **more)
    database = with_tables(Sqlite(":memory:"))
    blobs = FolderBlobs(data / "blobs", b"k" * 32)
    keys, people = Keys(database, b"p" * 32, "acme"), People(database, "acme")
    models, versions, test_inputs = Models(database), Versions(database), TestInputs(database)
    demand = Demand()
    routing, room, spool = Routing(demand), Room(database, settings.jobs), Spool(data / "spool")
    ask, directory = Ask(routing, settings.inference, events=events(settings)), Directory(models, versions)
    submit = Submit(room, directory, versions, blobs)
    fleet = Fleet(versions, routing, demand, lifecycle, settings.fleet)
    shelf, environments = Shelf(data, settings.images), Environments(data, settings.runners)
    images = Store(data, settings.images)
    containers = Containers(images, Upkeep(versions, shelf, images), Seal(b"s" * 32), settings.images)
    deployment = Deployment(
        versions,
        test_inputs,
        fleet,
        ImportImage(
            database,
            models,
            versions,
            FolderArchives(data / "imports"),
            Folders(shelf, environments, data),
            containers,
        ),
        LoadTest(models, versions, fleet),
        RunTest(versions, test_inputs, fleet, ask),
    )
    uploads = data / "uploads"
    uploads.mkdir()
    rooms = Rooms(
        settings=settings,
        keys=keys,
        people=people,
        allowances=Allowances(database, people),
        models=models,
        directory=directory,
        ask=ask,
        versions=versions,
        tags=Tags(database),
        pictures=Pictures(models, blobs),
        test_inputs=test_inputs,
        deployment=deployment,
        fleet=fleet,
        submit=submit,
        uploads=Uploads(room, submit, blobs, spool),
        cancel=Cancel(room),
        dead=Dead(room, submit),
        shares=Shares(database),
        once=Once(database, room.servers.me, room.servers.gone),
        history=History(room),
        blobs=blobs,
        spool=uploads,
        ready=lambda: True,
        regions=Regions(settings.oip.shared_memory),
        bodies=Bodies(settings.oip.bodies_limit),
    )
    tell(rooms, room)
    key = await keys.first_key(None, "admin@example.com", now())
    dispatch = Dispatch(room, versions, ask, demand, models.touch)
    running = asyncio.gather(dispatch.run(), ask.run())
    try:
        yield House(rooms, application(rooms), routing, key, database, Talker())
    finally:
        running.cancel()
        await asyncio.gather(running, ask.close(), return_exceptions=True)
        database.close()


def reads_end_in_any_order(home):
    """As they do where several connections read one file."""
    read, chance = home.database.read, random.Random(1)

    async def later(transaction):
        found = await read(transaction)
        await asyncio.sleep(chance.uniform(0, 0.02))
        return found

    home.database.read = later


async def change_everything(home, key):
    """Nothing that was remembered of keys, models and this version may be used any more."""
    await home.rooms.versions.change(key, lambda one: one, now())
    await home.rooms.models.change(key.model, lambda one: one, now())
    await home.key_of(f"{random.random()}@example.com", *RUNS)


RUNS = (Role.DEVELOPER,)
DEPLOYS = (Role.DATA_SCIENTIST,)
