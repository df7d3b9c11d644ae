"""The one way in: find the endpoint, ask the gate, read and parse, call the handler, encode what it answers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams, URLPath
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from headrace.accounts.once import Once
from headrace.api import errors, sentences
from headrace.api.auth import Gate
from headrace.api.bodies import Bodies, Room
from headrace.api.crowd import BUSY, CROWDED
from headrace.api.drain import goodbye
from headrace.api.endpoint import Call, NoQuery, Row, Upload
from headrace.api.limits import body_pieces, drained, whole_body
from headrace.api.multipart import OVERHEAD
from headrace.api.repeats import KEY, Repeats, encode
from headrace.api.table import Table
from headrace.api.watched import ROUTE
from headrace.domain.errors import Invalid, Unavailable
from headrace.settings import ServerSettings

LONGEST_QUERY = 16 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Contract:
    """What a family of routes promises beside its table. `under`: beginnings of its paths, up to a slash."""

    under: tuple[str, ...]
    error: Callable[[Exception], Response]


MODZY = Contract(("",), errors.answer)  # also `OPTIONS *`, which is no path


class Door(BaseRoute):
    """Takes every HTTP request under a path: also what is unknown there is answered in the contract's shape."""

    def __init__(
        self,
        table: Table,
        gate: Gate,
        settings: ServerSettings,
        contract: Contract = MODZY,
        *,
        once: Once | None = None,
        bodies: Bodies | None = None,
    ) -> None:
        self._table, self._gate, self._settings, self._contract = table, gate, settings, contract
        self._repeats = None if once is None else Repeats(once)
        self._bodies = bodies or Bodies()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        takes = scope["type"] == "http" and f"{scope['path']}/".startswith(self._contract.under)
        return (Match.FULL if takes else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        raise NotImplementedError(f"no route is called {name}: paths are written out ({path_params})")

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        with self._bodies.room() as room:
            try:
                response = await self._answer(request, room)
            except asyncio.CancelledError:  # the server stops, and there is no more time
                response = self._contract.error(goodbye())
                response.headers["Connection"] = "close"
            except Exception as error:  # noqa: BLE001 - the last door: whatever it is becomes JSON, unexpected things are logged
                room.give_back()
                response = self._contract.error(error)
                if not await drained(request):
                    response.headers["Connection"] = "close"
            await response(scope, receive, send)

    async def _answer(self, request: Request, room: Room) -> Response:
        scope = request.scope
        row, params = self._table.find(request.method, scope.get("raw_path") or scope["path"].encode())
        scope[ROUTE] = row.path
        if CROWDED in scope:
            raise Unavailable(BUSY)
        principal = await self._gate.principal(request.headers, row.actions)
        raw, body = await self._body(request, row, room)
        call = Call(
            request=request,
            params=params,
            principal=principal,
            query=_query(request, row),
            body=body,
            base_url=self._settings.public_url.rstrip("/") or str(request.base_url).rstrip("/"),
            room=room,
        )
        key = request.headers.get(KEY)
        if key is None or row.repeat is None or self._repeats is None:
            return encode(row, await row.handler(call))
        return await self._repeats.answered(row, call, raw, key)

    async def _body(self, request: Request, row: Row, room: Room) -> tuple[bytes | None, Any]:
        """As it came, unless it is still coming; and as the handler takes it."""
        settings = self._settings
        content_type = request.headers.get("content-type", "")
        is_multipart = content_type.lower().startswith("multipart/")
        if row.upload is not None and (is_multipart or row.body is None):
            pieces = body_pieces(request, row.upload.at_most + OVERHEAD, settings.body_deadline)
            return None, Upload(content_type, pieces)
        if row.body is None:
            return None, None
        if is_multipart:
            raise Invalid("the body should be JSON here, but is multipart")
        raw = await whole_body(request, room, settings.json_limit, settings.body_deadline, "server.json_limit")
        return raw, raw if row.body is bytes else sentences.decode(raw, row.body)


def _query(request: Request, row: Row) -> Any:
    if row.query is None:
        return NoQuery()
    raw = request.scope["query_string"]
    if len(raw) > LONGEST_QUERY:
        raise Invalid(f"the query string has more than {LONGEST_QUERY} bytes")
    return sentences.convert(dict(QueryParams(raw).multi_items()), row.query, what="query")
