"""What runs: engines of each version (contracts/modzy.md, A.5)."""

from headrace.accounts import access
from headrace.api.endpoint import Call, Endpoint, NoQuery, Row
from headrace.api.modzy.shapes import versions as shapes
from headrace.api.rooms import Rooms
from headrace.domain.account import Action, Principal
from headrace.domain.errors import NotFound
from headrace.domain.ids import VersionKey
from headrace.fleet.status import EngineStatus
from headrace.jobs.history_rows import HistoryQuery

NoBody = Call[NoQuery, None]


class Resources:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def rows(self) -> list[Row]:
        read, path = Action.READ_LIBRARY, "/api/resources/processing"
        return [
            Endpoint("GET", f"{path}/engines", "Engines of each version, counted", read, self.engines,
                     answer=list[shapes.Engines]),
            Endpoint("GET", f"{path}/models", "Engines of each version, one by one", read, self.models,
                     answer=list[shapes.RunningModel]),
        ]  # fmt: skip

    async def engines(self, call: NoBody) -> list[shapes.Engines]:
        return shapes.engines(await self._visible(call.principal))

    async def models(self, call: NoBody) -> list[shapes.RunningModel]:
        found = []
        for key, status in (await self._visible(call.principal)).items():
            version = await self._rooms.versions.get(key)
            found.append(shapes.running_model(version, status, await self._queued_jobs(call.principal, key)))
        return found

    async def _queued_jobs(self, principal: Principal, key: VersionKey) -> int:
        if not (principal.may(Action.READ_OWN_JOBS) or principal.may(Action.READ_TEAM_JOBS)):
            return 0
        query = HistoryQuery(models=frozenset({key.model}), version=key.version, status="pending")
        return len(await self._rooms.history.find(principal, query))

    async def _visible(self, principal: Principal) -> dict[VersionKey, EngineStatus]:
        found = {}
        for key, status in self._rooms.fleet.statuses().items():
            try:
                model = await self._rooms.models.get(key.model)
            except NotFound:
                continue
            if access.sees_model(principal, model):
                found[key] = status
        return found
