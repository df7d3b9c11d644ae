"""The model repository extension (contracts/oip.md, A15): an index, load and unload. REST and gRPC use the same acts.

Loading publishes a version that has passed its tests and waits until a replica runs; unloading takes versions back.
With files a version is made of them first (loading.py).
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from headrace.api import sentences
from headrace.api.endpoint import Call, Endpoint, NoQuery, Row
from headrace.api.oip import metadata
from headrace.api.oip.brought import Brought, brought
from headrace.api.oip.hints import wrong
from headrace.api.oip.loading import Loading, check_own
from headrace.api.oip.shapes import IndexEntry, IndexRequest, Loaded, RepositoryRequest, Unloaded
from headrace.api.rooms import Rooms
from headrace.catalog.directory import has_address
from headrace.catalog.search import VersionQuery
from headrace.deployment.steps import UNDER_WAY
from headrace.domain.account import Action, Principal
from headrace.domain.errors import Forbidden, HeadraceError, Invalid, NotFound, StorageFailed, Unsupported
from headrace.domain.ids import VersionKey, version_order
from headrace.domain.model import Model
from headrace.domain.version import Step, StepState, Version, VersionStatus, missing_steps
from headrace.fleet.status import EngineStatus

ROOM = 60.0  # seconds that a load waits for room beside other versions, above the version's own timeout
DEPENDENTS = "unload_dependents"  # a parameter of unload

EDIT = (Action.DEPLOY_MODELS, Action.APPROVE_MODELS)

Raw = Call[NoQuery, bytes]


class Repository:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms, self._loading = rooms, Loading(rooms)

    def rows(self) -> list[Row]:
        return [row for path in ("/v2/repository", "/v2/repository/{repository}") for row in self._rows(path)]

    def _rows(self, path: str) -> list[Row]:
        model = path + "/models/{model}"
        return [
            Endpoint("POST", f"{path}/index", "All models and versions", Action.READ_LIBRARY, self.index_route,
                     body=bytes, body_schema=IndexRequest, answer=list[IndexEntry], errors=(501,)),
            Endpoint("POST", f"{model}/load", "Publish a model", EDIT, self.load_route, body=bytes,
                     body_schema=RepositoryRequest, answer=Loaded, errors=(409, 501)),
            Endpoint("POST", f"{model}/unload", "Take a model back", EDIT, self.unload_route, body=bytes,
                     body_schema=RepositoryRequest, answer=Unloaded, errors=(409, 501)),
        ]  # fmt: skip

    async def index_route(self, call: Raw) -> list[IndexEntry]:
        _check_repository(call)
        return await self.index(call.principal, ready=_wants_ready(call.body))

    async def load_route(self, call: Raw) -> Loaded:
        _check_repository(call)
        name = call.params["model"]
        await self.load(call.principal, name, brought(_parameters(call.body)))
        return Loaded(name)

    async def unload_route(self, call: Raw) -> Unloaded:
        _check_repository(call)
        name = call.params["model"]
        check_unload(_parameters(call.body))
        await self.unload(call.principal, name)
        return Unloaded(name)

    async def index(self, principal: Principal, *, ready: bool = False) -> list[IndexEntry]:
        """One entry for each version of each model that the caller sees; by its id where a name means no single one."""
        models = await self._rooms.directory.all(principal)
        shared = Counter(model.name for model in models)
        names = {
            model.identifier: model.name if shared[model.name] == 1 and has_address(model.name) else model.identifier
            for model in models
        }
        found = [self._entry(names[one.key.model], one) for one in await self._versions(principal, names)]
        return [entry for entry in found if entry.state == "READY"] if ready else found

    async def load(self, principal: Principal, name: str, found: Brought | None = None) -> None:
        """Raises NotFound, Forbidden, Invalid with the reason why it does not start.

        With files it is a new version that is loaded, and the only one that is active afterwards. So it is with a
        config alone, which is put into the folder of the version that would be loaded without it.
        """
        if found is None:
            await self._publish(name, await self._there(principal, name), only=False)
            return
        there = None if found.config_alone is None else await self._there(principal, name)
        await self._publish(name, await self._new(principal, name, found, there), only=True)

    async def _new(self, principal: Principal, name: str, found: Brought, there: VersionKey | None) -> VersionKey:
        try:
            if there is None:
                return await self._loading.version(principal, name, found)
            return await self._loading.changed(principal, name, found, await self._rooms.versions.get(there))
        except (Forbidden, StorageFailed):
            raise
        except HeadraceError as error:
            raise Invalid(f"load failed for model '{name}': {error.message}", technical=error.technical) from None

    async def _publish(self, name: str, key: VersionKey, *, only: bool) -> None:
        """`only`: no other version of the model is active afterwards."""
        deployment = self._rooms.deployment
        version = await self._rooms.versions.get(key)
        try:
            async with self._rooms.fleet.hold(key) as held:  # first the proof: what does not start stays back
                await held.ready(version.timeout.status / 1000 + ROOM)
                await (deployment.publish_only(key) if only else deployment.change_status(key, VersionStatus.ACTIVE))
        except StorageFailed:
            raise
        except HeadraceError as error:
            state = f"version {key.version} is at UNAVAILABLE state"
            raise Invalid(f"load failed for model '{name}': {state}: {error.message}") from None

    async def unload(self, principal: Principal, name: str) -> None:
        """All its active versions. A name that nobody knows is unloaded already. Raises Forbidden, Invalid."""
        try:
            model = await self._own(principal, name)
        except NotFound:
            return
        for text in model.active_versions:
            await self._rooms.deployment.change_status(VersionKey(model.identifier, text), VersionStatus.INACTIVE)

    async def _versions(self, principal: Principal, names: dict[str, str]) -> list[Version]:
        found: list[Version] = []
        for identifier in sorted(names, key=lambda one: (names[one], one)):
            found += await self._rooms.versions.list(identifier, VersionQuery(viewer=principal))
        return found

    async def _own(self, principal: Principal, name: str) -> Model:
        model = await self._rooms.directory.model(principal, name)
        check_own(principal, model, name)
        return model

    async def _there(self, principal: Principal, name: str) -> VersionKey:
        """Which of a model's versions to load, when nothing is brought. Raises NotFound, Forbidden, Invalid."""
        model = await self._own(principal, name)
        return VersionKey(model.identifier, await self._loadable(model, name))

    async def _loadable(self, model: Model, name: str) -> str:
        """The highest version that is active, else the highest that may become so."""
        if model.active_versions:
            return model.active_versions[-1]
        versions = await self._rooms.versions.list(model.identifier, VersionQuery())
        versions.sort(key=lambda one: version_order(one.key.version), reverse=True)
        open_ones = [one for one in versions if one.status in (VersionStatus.INACTIVE, VersionStatus.PARTIAL)]
        for version in open_ones:
            if not missing_steps(version):
                return version.key.version
        state = f"version {open_ones[0].key.version} is at UNAVAILABLE state: " if open_ones else ""
        why = (_why_not(open_ones[0]) if open_ones else "") or "none of its versions has passed its tests"
        raise Invalid(f"load failed for model '{name}': {state}{why}")

    def _entry(self, name: str, version: Version) -> IndexEntry:
        state, reason = state_of(version, self._rooms.fleet.status(version.key))
        entry = IndexEntry(name, version.key.version, state)
        if reason:
            entry.reason = reason
        return entry


def state_of(version: Version, status: EngineStatus) -> tuple[str, str]:
    """State and reason, in Triton's words."""
    if metadata.is_ready(version, status):
        return "READY", ""
    if version.active:
        return "UNAVAILABLE", status.last_error
    if status.spinning_down:
        return "UNLOADING", ""
    if version.status is VersionStatus.INACTIVE:
        return "UNAVAILABLE", "unloaded"
    if any(step.state in UNDER_WAY for step in _steps(version)):
        return "LOADING", ""
    return "UNAVAILABLE", _why_not(version) or f"it is {version.status}"


def _why_not(version: Version) -> str:
    """The whole error of the first step that failed."""
    said = (step.error for step in _steps(version) if step.state is StepState.FAILED)
    return next(said, "")


def _steps(version: Version) -> tuple[Step, Step, Step]:
    return version.image_step, version.load, version.run


def check_unload(parameters: Mapping[str, Any]) -> None:
    """Raises Invalid."""
    if unknown := parameters.keys() - {DEPENDENTS}:
        raise Invalid(f"unload does not know the parameter {', '.join(sorted(unknown))}")
    said = parameters.get(DEPENDENTS)
    if said is not None and not isinstance(said, bool):
        raise wrong(DEPENDENTS, said, "true or false")


def _check_repository(call: Raw) -> None:
    if "repository" in call.params:
        raise Unsupported("'repository_name' specification is not supported")


def _wants_ready(raw: bytes) -> bool:
    """An empty body is what tritonclient sends."""
    if not raw.strip():
        return False
    ready = sentences.decode(raw, dict[str, object]).get("ready", False)
    if not isinstance(ready, bool):
        raise Invalid("Invalid value for 'ready': expected a boolean")
    return ready


def _parameters(raw: bytes) -> dict[str, object]:
    return sentences.decode(raw, RepositoryRequest).parameters if raw.strip() else {}
