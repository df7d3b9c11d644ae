"""Load with files: a new version out of what the request brings, through the documented steps, all in one request.

What is published was tested, as everywhere: the model is loaded and asked once, with the files in test_input/ of the
request or else with zeros (deployment/trial.py). A version that fails on the way stays where it is, with the reason.
"""

import asyncio
import importlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import IO

from headrace.accounts import access
from headrace.api.oip.brought import CONFIG_FILE, CONFIG_TEXT, Brought
from headrace.api.rooms import Rooms
from headrace.api.spool import spooled_by
from headrace.catalog.directory import has_address
from headrace.deployment.steps import UNDER_WAY, StepKind
from headrace.domain.account import Action, Principal
from headrace.domain.body import Body
from headrace.domain.clock import now
from headrace.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from headrace.domain.ids import VersionKey
from headrace.domain.model import Model
from headrace.domain.version import StepState, Version

LOOK = 0.05  # seconds between two looks at a step that goes on by itself
LONGEST = 3_600.0  # seconds for unpacking and for making the environment
TAKEN = "/v2/models/stats is the statistics of all models, and '.' and '..' are no part of a path"
ROOM = 120.0  # seconds that the test may take beyond the version's own timeouts: for a replica to be free
NO_FILE = b"0"  # for an input of a model of files


class Loading:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def version(self, principal: Principal, name: str, found: Brought) -> VersionKey:
        """One that has passed all steps but the last. A name that nobody has becomes a model of the caller's.

        Raises Forbidden, Invalid with the reason why it does not work.
        """
        access.require(principal, Action.DEPLOY_MODELS)
        key = await self._draft(principal, name, found.number)
        await self._bring_in(key, found.pack)
        await self._rooms.deployment.load(key)
        tests = _tests(await self._rooms.versions.get(key), found)
        await self._try(key, tests, _tried(found))
        return key

    async def changed(self, principal: Principal, name: str, found: Brought, base: Version) -> VersionKey:
        """The same of the base's folder with another config, tried with the base's test files.

        The base itself, where its config says the same. Raises Invalid too where it is no folder that has a config.
        """
        access.require(principal, Action.DEPLOY_MODELS)
        folder = await self._rooms.deployment.folder_of(base)
        if await asyncio.to_thread(_has_config, folder, found):
            return base.key
        key = await self._draft(principal, name, int(base.key.version.partition(".")[0]))
        await self._bring_in(key, partial(found.pack, base=folder))
        await self._rooms.deployment.load(key)
        await self._try(
            key, await self._rooms.test_inputs.all(base.key), "with this config the model failed on its tests"
        )
        return key

    async def _try(self, key: VersionKey, tests: Mapping[str, Body], failed: str) -> None:
        """Raises Invalid, which begins with `failed`."""
        for one, content in tests.items():
            await self._rooms.test_inputs.put(key, one, one, content)
        await self._rooms.deployment.run(key)
        version = await self._rooms.versions.get(key)
        seconds = (version.timeout.status + version.timeout.run) / 1000 + ROOM
        result = (await self._over(key, StepKind.RUN, seconds)).run_result
        if result is not None and result.error:
            raise Invalid(f"{failed}: {result.error}")

    async def _draft(self, principal: Principal, name: str, number: int) -> VersionKey:
        """The first free one of the versions N.0.0, N.0.1 and so on."""
        directory, first = self._rooms.directory, f"{number}.0.0"
        try:
            model = await directory.model(principal, name)
        except NotFound:
            if why := _unfit(name):
                raise Invalid(f"a model cannot be called '{name}': {why}") from None
            with suppress(Conflict):
                made = await self._rooms.models.create_unique(name, first, principal, now())
                return VersionKey(made.identifier, first)
            model = await directory.model(principal, name)  # somebody was faster, perhaps by another server
        check_own(principal, model, name)
        texts = (f"{number}.0.{patch}" for patch in count())
        free = (VersionKey(model.identifier, text) for text in texts if text not in model.versions)
        while True:
            with suppress(Conflict):  # it was deleted, and its jobs still name it; or another server was faster
                return (await self._rooms.versions.create(next(free), principal.user.email, now())).key

    async def _bring_in(self, key: VersionKey, pack: Callable[[IO[bytes]], None]) -> None:
        limit = self._rooms.settings.server.upload_limit
        async with spooled_by(self._rooms.spool, pack, limit) as (path, size):
            await self._rooms.deployment.import_archive(key, path, "model.tar", size)
        step = (await self._over(key, StepKind.IMAGE, LONGEST)).image_step
        if step.state is StepState.FAILED:
            raise Invalid(f"its files cannot be taken: {step.error}")

    async def _over(self, key: VersionKey, kind: StepKind, seconds: float) -> Version:
        try:
            async with asyncio.timeout(seconds):
                while True:
                    version = await self._rooms.versions.get(key)
                    step = kind.of(version)
                    if step.state not in UNDER_WAY:
                        return version
                    await asyncio.sleep(LOOK)
        except TimeoutError:
            raise Unavailable(f"version {key} is still at {step.percentage} % of {step.name}") from None


def _unfit(name: str) -> str:
    """Why a new model would not be found by this name; "" if it would be."""
    if name != name.strip():
        return "a name neither begins nor ends with a space"
    return "" if has_address(name) else TAKEN


def _tried(found: Brought) -> str:
    if found.tests:
        return "the model failed on its test files"
    return (
        "the model failed on zeros (give a request that it takes as file:test_input/request.json, or single inputs as "
        "file:test_input/<input name>)"
    )


def check_own(principal: Principal, model: Model, name: str) -> None:
    """Raises Forbidden."""
    if not access.edits_model(principal, model):
        raise Forbidden(f"model '{name}' belongs to {model.owner_email}: only its owner loads and unloads it")


def _has_config(folder: Path, found: Brought) -> bool:
    """Whether this folder has the config that was brought. Raises Invalid where none would be read."""
    config = folder / CONFIG_FILE
    if not config.exists() and not any(one.name.isdecimal() and one.is_dir() for one in folder.iterdir()):
        raise Invalid(
            "a config alone is for models in the layout of a Triton repository (1/model.onnx and so on), and this one "
            "has another: send its files, too"
        )
    text = config.read_text(errors="replace") if config.exists() else ""
    same: bool = importlib.import_module(CONFIG_TEXT).is_same(text, (found.config_alone or b"").decode())
    return same


def _tests(version: Version, found: Brought) -> dict[str, bytes]:
    """What was brought; for a model of files also a text for each input that got none."""
    if version.tensors is not None:
        return dict(found.tests)
    return {spec.name: NO_FILE for spec in version.inputs} | dict(found.tests)
