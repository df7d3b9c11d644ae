"""Answers as server-sent events: each goes out as soon as the model has given it, and no faster than they are read.

The first answer decides the status. Whatever goes wrong later is an event of its own, {"error": "…"}. A client that
leaves is noticed at once, also between two answers: then the model is told that nobody wants the rest.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from headrace.api.oip import errors
from headrace.api.oip.generate import event
from headrace.api.oip.infer import Reply, header_id, refused, said_no
from headrace.api.oip.spoken import Spoken
from headrace.domain.body import BodyStore, whole
from headrace.domain.errors import Invalid, Unavailable
from headrace.domain.question import Answer

EVENTS = "text/event-stream; charset=utf-8"
BINARY = "binary outputs cannot be sent as events: ask for JSON"

Shape = Callable[[bytes], bytes]  # what an event shows of an answer's body


async def first_within(answers: AsyncGenerator[Answer, None], seconds: float | None) -> Answer:
    """The first answer. Raises Unavailable after so many seconds: the time that the request itself allows."""
    try:
        async with asyncio.timeout(seconds):
            return await anext(answers)
    except TimeoutError:
        raise Unavailable("Request timeout expired") from None


@dataclass(frozen=True, slots=True)
class Way:
    """How a request wants its answers. `limit`: seconds until the first one."""

    identifier: str
    limit: float | None = None
    shape: Shape = bytes
    generates: bool = False  # then a model's error counts as the request's


def refusal(first: Answer, way: Way) -> Reply | None:
    """What the first answer makes of the whole; None when it is good."""
    if first.error is not None:
        reply = said_no(first, way.identifier)
        return replace(reply, status=400) if way.generates and reply.status == 500 else reply  # noqa: PLR2004 - a model's error
    return refused(Invalid(BINARY), way.identifier) if "json" in first.meta else None


class Events(Spoken):
    def __init__(self, answers: AsyncGenerator[Answer, None], blobs: BodyStore, way: Way) -> None:
        super().__init__()
        self._answers, self._blobs, self._way = answers, blobs, way

    async def speak(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._answers) as answers:
            try:
                answer = await first_within(answers, self._way.limit)
                reply = refusal(answer, self._way)
            except Exception as error:  # noqa: BLE001 - the last door: whatever it is becomes JSON
                reply = refused(error, self._way.identifier)
            if reply is not None:
                await plain(reply)(scope, receive, send)
                return
            await self._begin(answer, send)
            await self._go_on(answer, answers, send)
            await send({"type": "http.response.body", "body": b""})

    async def _begin(self, first: Answer, send: Send) -> None:
        headers = [
            (b"content-type", EVENTS.encode()),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),  # proxies of nginx's kind must not collect them
            (b"x-request-id", header_id(first, self._way.identifier)),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _go_on(self, answer: Answer, answers: AsyncGenerator[Answer, None], send: Send) -> None:
        try:
            await self._tell(answer, send)
            async for later in answers:
                await self._tell(later, send)
        except Exception as error:  # noqa: BLE001 - as above
            await _piece(send, self.broken_off(error))

    def refused(self, error: Exception) -> Response:
        return plain(refused(error, self._way.identifier))

    def broken_off(self, error: Exception) -> bytes:
        return event(errors.refusal(error).body)

    async def _tell(self, answer: Answer, send: Send) -> None:
        if answer.error is not None:
            await _piece(send, event(msgspec.json.encode(errors.ErrorBody(answer.error))))
            return
        if "json" in answer.meta:
            raise Invalid(BINARY)
        if (output := answer.outputs.get("")) is not None:
            body = output.body if isinstance(output.body, bytes) else await whole(output.body, self._blobs)
            await _piece(send, event(self._way.shape(body)))


async def _piece(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


def plain(reply: Reply) -> Response:
    response = Response(reply.body, reply.status)
    response.raw_headers += reply.headers
    return response
