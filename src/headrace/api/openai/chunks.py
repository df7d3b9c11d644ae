"""Pieces of an answer as server-sent events, and `data: [DONE]` at the end. The first piece decides the status."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headrace.api.oip import errors
from headrace.api.oip.events import EVENTS
from headrace.api.oip.generate import event
from headrace.api.oip.spoken import Spoken
from headrace.api.openai import shapes

DONE = b"data: [DONE]\n\n"
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def error_body(error: Exception) -> tuple[int, bytes, dict[str, str]]:
    found = errors.refusal(error)
    kind = _TYPES.get(found.status, "invalid_request_error" if found.status < 500 else "server_error")  # noqa: PLR2004 - HTTP's
    body = shapes.ErrorBody(shapes.ErrorDetails(found.message, kind))
    return found.status, msgspec.json.encode(body), dict(found.headers)


def refused(error: Exception) -> Response:
    status, body, headers = error_body(error)
    return Response(body, status, headers, errors.JSON)


class Chunks(Spoken):
    def __init__(self, pieces: AsyncGenerator[shapes.Completion, None]) -> None:
        super().__init__()
        self._pieces = pieces

    async def speak(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._pieces) as pieces:
            try:
                first = await anext(pieces)
            except Exception as error:  # noqa: BLE001 - the last door: whatever it is becomes JSON
                await self.refused(error)(scope, receive, send)
                return
            headers = [(b"content-type", EVENTS.encode()), (b"x-accel-buffering", b"no")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await _send(send, first)
            end = DONE
            try:
                async for piece in pieces:
                    await _send(send, piece)
            except Exception as error:  # noqa: BLE001 - as above
                end = self.broken_off(error)
            await send({"type": "http.response.body", "body": end})

    def refused(self, error: Exception) -> Response:
        return refused(error)

    def broken_off(self, error: Exception) -> bytes:
        return event(error_body(error)[1])


async def _send(send: Send, piece: shapes.Completion) -> None:
    await send({"type": "http.response.body", "body": event(msgspec.json.encode(piece)), "more_body": True})
