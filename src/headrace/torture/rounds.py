"""How each kind of round goes: what is done to the server while its clients go on."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from headrace.torture import takeover, troubles
from headrace.torture.clients import Client, GaveUp, Round
from headrace.torture.deployer import Deployer
from headrace.torture.installation import ALONE, SETTINGS, Template
from headrace.torture.plan import Kind, Plan
from headrace.torture.scene import Outcome, Scene
from headrace.torture.server import NotStarted, Servers

DRAIN = 120.0  # seconds until all clients have what they wait for, after the last trouble
ON_DISK = frozenset({Kind.POWER, Kind.DISK, Kind.IO, Kind.DATABASE})
CLIENTS = 2  # of each user

Trouble = Callable[[Scene, random.Random], Awaitable[None]]
TROUBLES: Mapping[Kind, Trouble] = {
    Kind.KILL: troubles.kill,
    Kind.POWER: troubles.power,
    Kind.DISK: troubles.full_disk,
    Kind.IO: troubles.io_errors,
    Kind.DATABASE: troubles.no_database,
    Kind.CLOCK: troubles.clock,
    Kind.ZOMBIE: troubles.zombies,
    Kind.TAKEOVER: takeover.takeover,
}


async def run(plan: Plan, folder: Path, template: Template, servers: Servers) -> Outcome:
    scene = Scene(plan, folder, template, servers, SETTINGS + troubles.SETTINGS.get(plan.kind, ()))
    scene.ledger.excuses = troubles.EXCUSES.get(plan.kind, ())
    began = time.monotonic()
    try:
        await scene.prepare(on_disk=plan.kind in ON_DISK and template.cluster is None, pair=plan.kind is Kind.TAKEOVER)
        if plan.first:
            await troubles.first_start(scene)
        else:
            await _played(scene)
    except (NotStarted, TimeoutError, ExceptionGroup) as error:
        scene.outcome.faults.append(f"the round broke off: {_sentence(error)}")
    finally:
        await scene.clear()
        scene.outcome.seconds = time.monotonic() - began
    return scene.outcome


async def survey(template: Template, folder: Path, servers: Servers) -> Outcome:
    """An ordinary round, in which nothing is done: which places are passed, and how often."""
    plan = Plan(Kind.KILL, 0, deploys=True)
    scene = Scene(plan, folder, template, servers, SETTINGS)
    try:
        await scene.prepare(on_disk=False)
        await _played(scene, troubles.nothing)
    finally:
        await scene.clear()
    return scene.outcome


async def first_survey(template: Template, folder: Path, servers: Servers) -> Counter[str]:
    """Which places the first start of a new installation passes."""
    scene = Scene(Plan(Kind.KILL, 0, first=True), folder, template, servers, SETTINGS)
    try:
        await scene.prepare(on_disk=False)
        await scene.begin()
        await scene.end()
    finally:
        await scene.clear()
    return scene.outcome.passed


async def _played(scene: Scene, trouble: Trouble | None = None) -> None:
    dice = random.Random(scene.plan.seed)  # noqa: S311 - chance, not a secret
    shared = scene.shared()
    async with asyncio.TaskGroup() as group:
        busy = [group.create_task(_until_over(client, scene)) for client in _clients(scene, shared)]
        try:
            await (trouble or TROUBLES[scene.plan.kind])(scene, dice)
            shared.stop.set()
            await asyncio.wait(busy, timeout=DRAIN)
        finally:
            shared.over.set()
    await scene.settle(DRAIN)
    await scene.end()
    await scene.check(at_end=True)


def _clients(scene: Scene, shared: Round) -> list[Client]:
    found = []
    for user in scene.template.users:
        alone = user.name == ALONE
        for number in range(1 if alone else CLIENTS):
            name = f"{user.name}{number}"
            found.append(Client(shared, name, user.key, f"{scene.plan.seed} {name}", alone=alone))
    if scene.plan.deploys:
        found.append(Deployer(shared, "deployer", scene.template.admin, f"{scene.plan.seed}"))
    return found


async def _until_over(client: Client, scene: Scene) -> None:
    try:
        await client.run()
    except GaveUp:
        scene.outcome.faults.append(f"client {client.name} did not get what it waited for")


def _sentence(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_sentence(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"
