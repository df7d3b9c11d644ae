"""The job engine with everything below it real but the model: a function in memory that speaks as a dialect does."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from databases import opened

from headrace.accounts import quotas
from headrace.catalog.directory import Directory
from headrace.catalog.models import Models
from headrace.catalog.versions import Versions
from headrace.dialects.dialect import ReplicaInfo
from headrace.domain.account import Principal, Role, Status, User
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Output
from headrace.domain.quota import QuotaScope, Terms
from headrace.domain.version import InputSpec, Processing, Timeout, VersionStatus
from headrace.fleet.demand import Demand
from headrace.fleet.routing import Routing
from headrace.fleet.seat import Replica
from headrace.inference.ask import Ask
from headrace.jobs.cancel import Cancel, Deadlines
from headrace.jobs.dead import Dead
from headrace.jobs.dispatch import Dispatch
from headrace.jobs.history import History
from headrace.jobs.room import Room
from headrace.jobs.spool import Spool
from headrace.jobs.submit import Submit
from headrace.jobs.uploads import Uploads
from headrace.settings import JobSettings
from headrace.storage.blobs import FolderBlobs


def new_url():
    """Of the database of the next house; "" is SQLite in its folder. conftest.py puts PostgreSQL's here."""
    return ""


class Speaker:
    """A replica whose model is an async function of the bodies: outputs, or an error to raise."""

    def __init__(self, model):
        self._model = model

    async def ready(self, _timeout):
        return ReplicaInfo()

    async def run(self, questions, _timeout):
        for index, question in enumerate(questions):
            started = now()
            try:
                body = await self._model(dict(question.inputs))
            except ValueError as error:  # what the model says is a result
                yield Answer(started, now(), 1.0, error=str(error))
                continue
            except Exception as error:
                error.suspect = index
                raise
            yield Answer(started, now(), 1.0, {"results.json": Output(body, "application/json")})

    def close(self):
        pass


@dataclass
class House:
    room: Room
    versions: Versions
    models: Models
    routing: Routing
    submit: Submit
    uploads: Uploads
    cancel: Cancel
    dead: Dead
    history: History
    dispatch: Dispatch
    deadlines: Deadlines
    blobs: FolderBlobs
    key: VersionKey

    def replica(self, model, name="engine-1"):
        replica = Replica(name, Speaker(model))
        self.routing.add(self.key, replica)
        return replica

    async def over(self, job, principal):
        """The job once it has ended."""
        async with asyncio.timeout(10):
            while not (found := await self.history.job(principal, job.id)).over:
                await self.history.wait_until_over(job.id, 1.0)
        return found

    async def results(self, job):
        return {one.name: one async for segment in self.history.results(job) for one in segment}


def principal(user="ann", *roles):
    roles = roles or (Role.DEVELOPER, Role.DATA_SCIENTIST)
    person = User(user, user, f"{user}@example.com", user.title(), "Lee", "", Status.ACTIVE, 1)
    return Principal("acme", "team", person, "k" * 20, frozenset(roles))


ANN = principal()


@asynccontextmanager
async def job_house(folder, settings=None, loops=True):
    database = opened(new_url(), folder)
    room = Room(database, settings or JobSettings())
    models, versions, routing, demand = Models(database), Versions(database), Routing(Demand()), Demand()
    blobs = FolderBlobs(folder / "blobs", b"k" * 32)
    submit = Submit(room, Directory(models, versions), versions, blobs)
    model = await models.create("echo", "1.0.0", ANN, now())
    key = VersionKey(model.identifier, "1.0.0")
    await versions.change(
        key,
        lambda version: replace(
            version,
            status=VersionStatus.ACTIVE,
            inputs=(InputSpec("input.txt"),),
            processing=Processing(0, 2),
            timeout=Timeout(1_000, 5_000),
        ),
        now(),
    )
    dispatch = Dispatch(room, versions, Ask(routing), demand, models.touch)
    house = House(
        room, versions, models, routing, submit, Uploads(room, submit, blobs, Spool(folder / "spool")), Cancel(room),
        Dead(room, submit),
        History(room), dispatch, Deadlines(room), blobs, key,
    )  # fmt: skip
    running = [asyncio.ensure_future(loop()) for loop in (dispatch.run, house.deadlines.run)] if loops else []
    try:
        yield house
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        database.close()


def allow(tx, user, inputs):
    quotas.create(tx, QuotaScope.USER, user, Terms(inputs), now())


async def used(house):
    [quota] = await house.room.database.read(lambda tx: quotas.find(tx, now()))
    return quota.used
