"""The REST door: every route of the protocol in one table. What asks for an inference is in inferences.py."""

from html import escape
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response

from headrace.api import openapi
from headrace.api.auth import Gate
from headrace.api.callers import TOKEN, Callers, authorization
from headrace.api.door import Contract, Door
from headrace.api.endpoint import NOBODY, Call, Endpoint, NoQuery, Row
from headrace.api.oip import errors, metadata, model_config, shapes, statistics
from headrace.api.oip.events import EVENTS
from headrace.api.oip.infer import Infer
from headrace.api.oip.inferences import Inferences
from headrace.api.oip.readiness import Readiness
from headrace.api.oip.repository import Repository
from headrace.api.oip.restricted import Restrictions
from headrace.api.oip.shared_memory import SharedMemory
from headrace.api.oip.tuning import Tuning
from headrace.api.rooms import Rooms
from headrace.api.table import Table
from headrace.domain.account import Action, Principal
from headrace.domain.ids import VersionKey
from headrace.domain.model import Model
from headrace.domain.version import Version
from headrace.inference.counts import Counts

NoBody = Call[NoQuery, None]

MODEL = "/v2/models/{model}"
VERSION = MODEL + "/versions/{version}"


def door(rooms: Rooms, infer: Infer) -> Door:
    rest = Rest(rooms, infer)
    callers = Callers(rooms.keys, rooms.settings)
    base = rooms.settings.oip.base_path.rstrip("/")
    contract, gate = Contract(("/v2/", f"{base}/v2/"), errors.answer), CallersGate(callers)
    return Door(_Table(rest.rows(), base), gate, rooms.settings.server, contract, bodies=rooms.bodies)


class _Table(Table):
    """A slash at the end changes nothing: a redirect would break a POST in many clients."""

    def __init__(self, rows: list[Row], base: str) -> None:
        super().__init__(rows)
        self._base = base.encode()

    def find(self, method: str, raw_path: bytes) -> tuple[Row, dict[str, str]]:
        return super().find(method, raw_path.removeprefix(self._base).rstrip(b"/"))


class CallersGate(Gate):
    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    async def principal(self, headers: Headers, actions: tuple[Action, ...]) -> Principal:
        if not actions:
            return NOBODY
        given = authorization(headers.get("authorization"), headers.get(TOKEN))
        return await self._callers.allowed(actions, given, headers.get("origin"), headers.get("modzy-team-id"))


class Rest:
    def __init__(self, rooms: Rooms, infer: Infer) -> None:
        self._rooms, self._inferences = rooms, Inferences(rooms, infer)
        self._readiness = Readiness(rooms)
        self._document: bytes | None = None

    def rows(self) -> list[Row]:
        guarded = Restrictions(self._rooms.settings.oip.restricted).guarded
        rows = [
            *self._server_rows(),
            *(row for path in (MODEL, VERSION) for row in self._model_rows(path)),
            *Repository(self._rooms).rows(),
            *SharedMemory(self._rooms.regions).rows(),
            *Tuning(self._rooms).rows(),
        ]
        return [guarded(row) for row in rows]

    def _server_rows(self) -> list[Row]:
        read = Action.READ_LIBRARY
        return [
            Endpoint("GET", "/v2", "Name, version and extensions", None, self.server, answer=shapes.ServerMetadata),
            Endpoint("GET", "/v2/health/live", "The process lives", None, self.live, answer=shapes.Live),
            Endpoint("GET", "/v2/health/ready", "The server can infer", None, self.ready, answer=shapes.Ready),
            Endpoint("GET", "/v2/models", "Models that are ready", read, self.names, answer=shapes.ModelNames),
            Endpoint("GET", "/v2/models/stats", "Statistics of all models that are ready", read, self.all_statistics,
                     answer=shapes.Statistics),
            Endpoint("GET", "/v2/docs", "All routes on one page", None, self.docs, media_type="text/html"),
            Endpoint("GET", "/v2/docs/dataplane.json", "OpenAPI document of the protocol", None, self.openapi),
        ]  # fmt: skip

    def _model_rows(self, path: str) -> list[Row]:
        read, ask, request = Action.READ_LIBRARY, Action.SUBMIT_JOBS, shapes.InferRequest
        return [
            Endpoint("GET", path, "Metadata of a model", read, self.model, answer=shapes.ModelMetadata),
            Endpoint("GET", f"{path}/ready", "The model can infer", read, self.model_ready, answer=shapes.ModelReady),
            Endpoint("GET", f"{path}/config", "Configuration, as Triton has it", read, self.config,
                     answer=dict[str, Any]),
            Endpoint("GET", f"{path}/stats", "Statistics", read, self.statistics, answer=shapes.Statistics),
            Endpoint("POST", f"{path}/infer", "Infer", ask, self._inferences.infer, body_schema=request,
                     answer=shapes.InferResponse, errors=(501,)),
            Endpoint("POST", f"{path}/infer_stream", "Infer, answers as events", ask, self._inferences.infer_stream,
                     body_schema=request, media_type=EVENTS, errors=(501,)),
            Endpoint("POST", f"{path}/generate", "Infer with a plain object", ask, self._inferences.generate,
                     body=bytes, body_schema=dict[str, Any], answer=dict[str, Any], errors=(501,)),
            Endpoint("POST", f"{path}/generate_stream", "The same, answers as events", ask,
                     self._inferences.generate_stream, body=bytes, body_schema=dict[str, Any], media_type=EVENTS,
                     errors=(501,)),
            Endpoint("GET", f"{path}/docs", "All routes on one page", None, self.docs, media_type="text/html"),
            Endpoint("GET", f"{path}/docs/dataplane.json", "OpenAPI document of the protocol", None, self.openapi),
        ]  # fmt: skip

    # the server

    async def server(self, _call: NoBody) -> shapes.ServerMetadata:
        return metadata.server(self._rooms.settings.oip)

    async def live(self, _call: NoBody) -> shapes.Live:
        return shapes.Live()

    async def ready(self, _call: NoBody) -> Response:
        if await self._readiness.ready():
            return _json(shapes.Ready(ready=True))
        return _json(shapes.Ready(ready=False, error="Server is not ready"), 503)

    async def names(self, call: NoBody) -> shapes.ModelNames:
        found = await self._rooms.directory.all(call.principal)
        return shapes.ModelNames(sorted({model.name for model in found if model.active}))

    async def docs(self, _call: NoBody) -> Response:
        lines = "".join(
            f"<tr><td><code>{row.method}</code></td><td><code>{escape(row.path)}</code></td>"
            f"<td>{escape(row.summary)}</td></tr>"
            for row in self.rows()
        )
        return HTMLResponse(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Open Inference</title>'
            f'<h1>Open Inference Protocol V2</h1><p><a href="/v2/docs/dataplane.json">OpenAPI document</a></p>'
            f"<table>{lines}</table></html>"
        )

    async def openapi(self, _call: NoBody) -> Response:
        if self._document is None:
            self._document = msgspec.json.encode(openapi.document(self.rows(), errors.ErrorBody))
        return Response(self._document, media_type=errors.JSON)

    # a model

    async def model(self, call: NoBody) -> shapes.ModelMetadata:
        model, version = await self._resolved(call)
        versions = model.active_versions if call.params.get("version") is None else (version.key.version,)
        return metadata.model(call.params["model"], version, versions)

    async def model_ready(self, call: NoBody) -> Response:
        name = call.params["model"]
        _, version = await self._rooms.directory.known(call.principal, name, call.params.get("version"))
        if metadata.is_ready(version, self._rooms.fleet.status(version.key)):
            return _json(shapes.ModelReady(name, ready=True))
        return _json(shapes.ModelReady(name, ready=False, error="Model version not ready"), 503)

    async def config(self, call: NoBody) -> dict[str, Any]:
        _, version = await self._resolved(call)
        return model_config.config(call.params["model"], version)

    async def statistics(self, call: NoBody) -> shapes.Statistics:
        name = call.params["model"]
        if call.params.get("version") is None:
            model = await self._rooms.directory.model(call.principal, name)
            return shapes.Statistics(self._statistics(name, model))
        _, version = await self._resolved(call)
        return shapes.Statistics([self._counted(name, version.key)])

    async def all_statistics(self, call: NoBody) -> shapes.Statistics:
        found = await self._rooms.directory.all(call.principal)
        return shapes.Statistics([one for model in found for one in self._statistics(model.name, model)])

    async def _resolved(self, call: Call[NoQuery, Any]) -> tuple[Model, Version]:
        return await self._rooms.directory.resolve(call.principal, call.params["model"], call.params.get("version"))

    def _statistics(self, name: str, model: Model) -> list[shapes.ModelStatistics]:
        return [self._counted(name, VersionKey(model.identifier, text)) for text in model.active_versions]

    def _counted(self, name: str, key: VersionKey) -> shapes.ModelStatistics:
        return statistics.model(name, key.version, self._rooms.ask.counts.get(key) or Counts())


def _json(body: msgspec.Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type=errors.JSON)
