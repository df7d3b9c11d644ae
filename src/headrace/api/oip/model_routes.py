"""Paths that models answer by themselves (MLServer's `@custom_handler`): a request goes to the replica as it came.

A route is found at the path that its model declares, and below the model: /v2/models/NAME/PATH, with or without a
version. The key and what it may do are checked as for an inference, and the model never sees the key.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.datastructures import URLPath
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from headrace.api.bodies import Room
from headrace.api.callers import Callers
from headrace.api.drain import goodbye
from headrace.api.errors import Problem
from headrace.api.limits import drained, whole_body
from headrace.api.oip import errors
from headrace.api.oip.infer import Infer, caller_of, identifier_of, meta_of
from headrace.api.oip.permits import ASK
from headrace.api.oip.relayed import HEAD, OF_CONNECTIONS, Relayed
from headrace.api.oip.restricted import Restrictions
from headrace.api.oip.seen import hidden
from headrace.api.rooms import Rooms
from headrace.api.table import path_segments
from headrace.api.watched import ROUTE
from headrace.catalog.routes import Declared, Routes, declared
from headrace.domain.account import Principal
from headrace.domain.errors import Invalid
from headrace.domain.question import Form, Question
from headrace.domain.route import OURS, OURS_BELOW, fits
from headrace.domain.version import Version

OF_BODIES = frozenset({"content-length", "expect"})  # headers of how a body comes


@dataclass(frozen=True, slots=True)
class _Asked:
    """`model` and `version`: as the path names them. `rest`: the segments that a model may have declared."""

    rest: list[str]
    model: str | None = None
    version: str | None = None

    @property
    def shown(self) -> str:
        return f"/{'/'.join(self.rest)}"[:200]


class ModelRoutes(BaseRoute):
    """`others` answer what no model declares: the first of them that matches."""

    def __init__(self, rooms: Rooms, infer: Infer, others: Sequence[BaseRoute]) -> None:
        self._rooms, self._infer, self._others = rooms, infer, others
        self._routes = Routes(rooms.versions, rooms.directory)
        self._callers = Callers(rooms.keys, rooms.settings)
        self._restrictions = Restrictions(rooms.settings.oip.restricted)
        self._kept_back = hidden(rooms.settings.oip) | OF_CONNECTIONS | OF_BODIES
        self._base = rooms.settings.oip.base_path.rstrip("/").encode()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        takes = scope["type"] == "http" and self._asked(scope) is not None
        return (Match.FULL if takes else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        raise NotImplementedError(f"no route is called {name}: models declare their own ({path_params})")

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, asked = Request(scope, receive), self._asked(scope)
        with self._rooms.bodies.room() as room:
            try:
                response = None if asked is None else await self._answer(request, asked, room)
            except asyncio.CancelledError:  # as in Door
                response = errors.answer(goodbye())
                response.headers["Connection"] = "close"
            except Exception as error:  # noqa: BLE001 - the last door: whatever it is becomes JSON
                room.give_back()
                response = errors.answer(error)
                if not await drained(request):
                    response.headers["Connection"] = "close"
            if response is None:
                other = next(one for one in self._others if one.matches(scope)[0] is Match.FULL)
                await other.handle(scope, receive, send)
            else:
                await response(scope, receive, send)

    def _asked(self, scope: Scope) -> _Asked | None:
        """None: the path is the server's own."""
        raw = scope.get("raw_path") or scope["path"].encode()
        try:
            segments = path_segments(raw.removeprefix(self._base).rstrip(b"/") or b"/")
        except Invalid:  # the door that it falls to says what is wrong with it
            return None
        match segments:
            case ["v2", "models", model, "versions", version, first, *others] if first not in OURS_BELOW:
                return _Asked([first, *others], model, version)
            case ["v2", "models", model, first, *others] if first not in OURS_BELOW:
                return _Asked([first, *others], model)
            case [first, *_] if first not in OURS:
                return _Asked(segments)
        return None

    async def _answer(self, request: Request, asked: _Asked, room: Room) -> Response | None:
        """None when no model declares the path."""
        found = await self._routes.at(asked.rest)
        if not found:
            return None
        principal = await self._principal(request)
        if asked.model is not None:
            _, version = await self._rooms.directory.resolve(principal, asked.model, asked.version)
            found = [each for each in declared(version) if fits(each.path, asked.rest)]
            if not found:
                return None
            one = _by_method(request.method, found)
        else:
            one = _by_method(request.method, found)
            fitting = [each for each in found if each.method == one.method]
            version = await self._routes.meant(principal, fitting, asked.shown)
        request.scope[ROUTE] = one.path
        return await self._relayed(request, asked, version, room)

    async def _principal(self, request: Request) -> Principal:
        headers = dict(reversed(request.scope["headers"]))
        self._restrictions.check("inference", headers)
        return await self._callers.allowed(ASK, *caller_of(headers))

    async def _relayed(self, request: Request, asked: _Asked, version: Version, room: Room) -> Response:
        oip, headers = self._rooms.settings.oip, dict(reversed(request.scope["headers"]))
        deadline = self._rooms.settings.server.body_deadline
        body = await whole_body(request, room, oip.body_limit, deadline, "oip.body_limit", packed=True)
        identifier = identifier_of(headers.get(b"x-request-id"))
        head = msgspec.json.encode(self._head(request, asked))
        meta = meta_of(headers, version.key.model) | {"id": identifier, HEAD: str(len(head))}
        question = Question({"": head + body}, Form.HTTP, meta=meta)
        await self._infer.used(version)
        run = version.timeout.run / 1000
        answers = self._rooms.ask.stream(version.key, question, patience=oip.patience, timeout=run)
        return Relayed(answers, self._rooms.blobs, identifier)

    def _head(self, request: Request, asked: _Asked) -> dict[str, Any]:
        return {
            "method": request.method,
            "path": f"/{'/'.join(asked.rest)}",
            "query": request.scope["query_string"].decode("latin-1"),
            "headers": [pair for pair in request.headers.items() if pair[0] not in self._kept_back],
        }


def _by_method(method: str, found: list[Declared]) -> Declared:
    """Raises Problem."""
    for one in found:
        if one.method == method:
            return one
    raise Problem(405, "Method Not Allowed", {"Allow": ", ".join(sorted({one.method for one in found}))})
