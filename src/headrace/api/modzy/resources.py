"""What runs: engines of each version (contracts/modzy.md, A.5), and what they print."""

import msgspec

from headrace.accounts import access
from headrace.api.endpoint import Call, Endpoint, NoQuery, Row
from headrace.api.modzy.shapes import versions as shapes
from headrace.api.rooms import Rooms
from headrace.domain.account import Action, Principal
from headrace.domain.errors import NotFound
from headrace.domain.ids import VersionKey
from headrace.fleet.logs import Logs
from headrace.fleet.status import EngineStatus
from headrace.jobs.history_rows import HistoryQuery

NoBody = Call[NoQuery, None]


class LogQuery(msgspec.Struct):
    """`bytes`: the most that is told, from the end."""

    bytes: int = 64 * 1024


class Resources:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._logs = Logs(rooms.settings.data)

    def rows(self) -> list[Row]:
        read, path = Action.READ_LIBRARY, "/api/resources/processing"
        return [
            Endpoint("GET", f"{path}/engines", "Engines of each version, counted", read, self.engines,
                     answer=list[shapes.Engines]),
            Endpoint("GET", f"{path}/models", "Engines of each version, one by one", read, self.models,
                     answer=list[shapes.RunningModel]),
            Endpoint("GET", f"{path}/logs", "Engines whose logs are kept, the newest first", Action.DEPLOY_MODELS,
                     self.logs, answer=list[shapes.LogEntry]),
            Endpoint("GET", f"{path}/logs/{{engine}}", "The end of what an engine has printed", Action.DEPLOY_MODELS,
                     self.log, query=LogQuery, answer=shapes.EngineLog),
        ]  # fmt: skip

    async def engines(self, call: NoBody) -> list[shapes.Engines]:
        return shapes.engines(await self._visible(call.principal))

    async def models(self, call: NoBody) -> list[shapes.RunningModel]:
        found = []
        for key, status in (await self._visible(call.principal)).items():
            version = await self._rooms.versions.get(key)
            found.append(shapes.running_model(version, status, await self._queued_jobs(call.principal, key)))
        return found

    async def logs(self, call: NoBody) -> list[shapes.LogEntry]:
        """Of models that the caller may edit: what a model prints may hold what its users sent."""
        found, mine = [], {}
        for log in await self._logs.kept():
            if log.model not in mine:
                mine[log.model] = await self._edits(call.principal, log.model)
            if mine[log.model]:
                found.append(shapes.log_entry(log))
        return found

    async def log(self, call: Call[LogQuery, None]) -> shapes.EngineLog:
        name = call.params["engine"]
        model = self._logs.model_of(name)
        if not await self._edits(call.principal, model):
            raise NotFound(f"there is no engine {name}")
        return shapes.EngineLog(name, model, await self._logs.read(name, max(0, call.query.bytes)))

    async def _edits(self, principal: Principal, identifier: str) -> bool:
        try:
            return access.edits_model(principal, await self._rooms.models.get(identifier))
        except NotFound:
            return False

    async def _queued_jobs(self, principal: Principal, key: VersionKey) -> int:
        if not (principal.may(Action.READ_OWN_JOBS) or principal.may(Action.READ_TEAM_JOBS)):
            return 0
        query = HistoryQuery(models=frozenset({key.model}), version=key.version, status="pending")
        return len(await self._rooms.history.find(principal, query))

    async def _visible(self, principal: Principal) -> dict[VersionKey, EngineStatus]:
        found = {}
        for key, status in self._rooms.fleet.everywhere().items():
            try:
                model = await self._rooms.models.get(key.model)
            except NotFound:
                continue
            if access.sees_model(principal, model):
                found[key] = status
        return found
