"""Puts the doors together: rooms in, an ASGI application out."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from headrace.api.auth import Gate
from headrace.api.callers import Callers
from headrace.api.door import Door
from headrace.api.hosts import Hosts
from headrace.api.metrics import MetricsPage
from headrace.api.modzy import routes
from headrace.api.oip import rest
from headrace.api.oip.infer import Infer
from headrace.api.oip.model_routes import ModelRoutes
from headrace.api.oip.permits import Permits
from headrace.api.oip.shared_tensors import Sharing
from headrace.api.oip.straight.at_once import protocol
from headrace.api.openai import routes as openai
from headrace.api.pages import Pages
from headrace.api.rooms import Rooms
from headrace.api.table import Table
from headrace.api.watched import Watched
from headrace.settings import ServerSettings

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ALL = ("*",)  # routes of models may take and give any header


def application(rooms: Rooms) -> Starlette:
    settings = rooms.settings.server
    rows = [*routes.rows(rooms), *MetricsPage(rooms.metrics, settings).rows()]
    pages = Pages(rows, rooms.ready)
    table = Table([*rows, *pages.rows()])
    infer, main = _infer(rooms), Door(table, Gate(rooms.keys), settings, once=rooms.once, bodies=rooms.bodies)
    doors = (rest.door(rooms, infer), openai.door(rooms), main)
    return Starlette(routes=[ModelRoutes(rooms, infer, doors), *doors], middleware=_middleware(rooms, settings))


def metrics_application(rooms: Rooms) -> Starlette:
    """GET /metrics alone, for a port of its own."""
    settings = rooms.settings.server
    door = Door(Table(MetricsPage(rooms.metrics, settings).rows()), Gate(rooms.keys), settings)
    return Starlette(routes=[door], middleware=[Middleware(Hosts, settings)])


def http_protocol(rooms: Rooms) -> type[HttpToolsProtocol]:
    """What uvicorn reads connections with: it answers the busiest route by itself."""
    return protocol(_infer(rooms), rooms.settings, rooms.requests, rooms.bodies)


def _infer(rooms: Rooms) -> Infer:
    permits = Permits(rooms.keys, Callers(rooms.keys, rooms.settings), rooms.directory)
    infer = Infer(permits, rooms.models, rooms.ask, rooms.blobs, rooms.settings.oip)
    infer.sharing = Sharing(rooms.regions, rooms.settings.oip.body_limit) if rooms.regions.enabled else None
    infer.slots = rooms.slots
    return infer


def _middleware(rooms: Rooms, settings: ServerSettings) -> Sequence[Middleware]:
    """Without `origins` there is no CORS: a browser's page may not read our answers."""
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=METHODS,
        allow_headers=ALL,
        expose_headers=ALL,
    )
    return [Middleware(Watched, rooms.requests), Middleware(Hosts, settings), *([cors] if settings.origins else [])]
