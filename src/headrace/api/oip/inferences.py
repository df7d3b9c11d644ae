"""The four routes that ask a model: one answer or any number of them, tensors or a plain object."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from headrace.api.endpoint import Call, NoQuery
from headrace.api.limits import drained, whole_body
from headrace.api.oip import errors, generate, metadata
from headrace.api.oip.events import BINARY, EVENTS, Events, Way, first_within, refusal
from headrace.api.oip.infer import Asked, Infer, Inquiry, Reply, gone, header_id, identifier_of, refused
from headrace.api.rooms import Rooms
from headrace.domain.body import whole
from headrace.domain.errors import Invalid
from headrace.domain.question import Answer
from headrace.domain.version import Version

NoBody = Call[NoQuery, None]
OK = 200
NOT_ONE = (
    "generate expects model to produce exactly 1 response, use generate stream for model that generates various number "
    "of responses"
)


class Inferences:
    def __init__(self, rooms: Rooms, infer: Infer) -> None:
        self._rooms, self._infer = rooms, infer

    async def infer(self, call: NoBody) -> Response:
        return await _response(call, await self._infer.reply(self._asked(call)))

    async def infer_stream(self, call: NoBody) -> Response:
        """A model that gives one answer makes one event."""
        version = await self._version(call)
        asked = _plain(self._asked(call))
        if not metadata.tensors_of(version).streams:
            return await _response(call, _as_event(await self._infer.reply(asked)))
        return await self._events(call, asked, bytes)

    async def generate(self, call: Call[NoQuery, bytes]) -> Response:
        version = await self._version(call)
        asked, shape = self._meant(call, version)
        if metadata.tensors_of(version).streams == "only":
            return await _response(call, await self._only(asked, shape))
        return await _response(call, await self._generated(asked, shape))

    async def generate_stream(self, call: Call[NoQuery, bytes]) -> Response:
        version = await self._version(call)
        asked, shape = self._meant(call, version)
        if not metadata.tensors_of(version).streams:
            return await _response(call, _as_event(await self._generated(asked, shape)))
        return await self._events(call, asked, shape, generates=True)

    def _meant(self, call: Call[NoQuery, bytes], version: Version) -> tuple[Asked, Callable[[bytes], bytes]]:
        """The infer request, and what of its answers is shown. Raises Invalid."""
        raw = generate.request(call.body, metadata.tensors_of(version))
        is_request, with_id = raw is call.body, generate.has_id(call.body)

        async def body() -> bytes:
            return raw

        shape = bytes if is_request else lambda answer: generate.answer(answer, with_id=with_id)
        return _plain(replace(self._asked(call), body=body)), shape

    async def _generated(self, asked: Asked, shape: Callable[[bytes], bytes]) -> Reply:
        reply = await self._infer.reply(asked)
        if reply.status != OK:
            return replace(reply, status=400) if reply.status == 500 else reply  # noqa: PLR2004 - a model's error here
        return replace(reply, body=shape(reply.body))

    async def _events(
        self,
        call: Call[NoQuery, Any],
        asked: Asked,
        shape: Callable[[bytes], bytes],
        *,
        generates: bool = False,
    ) -> Response:
        identifier = identifier_of(asked.headers.get(b"x-request-id"))
        try:
            answers, limit = await self._stream(asked, identifier)
        except Exception as error:  # noqa: BLE001 - whatever it is becomes JSON
            return await _response(call, refused(error, identifier))
        return Events(answers, self._rooms.blobs, Way(identifier, limit, shape, generates))

    async def _stream(self, asked: Asked, identifier: str) -> tuple[AsyncGenerator[Answer, None], float | None]:
        inquiry = await self._infer.inquiry(asked, identifier)
        if inquiry.places is not None and inquiry.places.of:
            raise Invalid("answers that are sent as events cannot be put into shared memory")
        await self._infer.used(inquiry.version)
        return self._answers(inquiry), inquiry.hints.limit

    def _answers(self, inquiry: Inquiry) -> AsyncGenerator[Answer, None]:
        patience, run = self._rooms.settings.oip.patience, inquiry.version.timeout.run / 1000
        key, step = inquiry.version.key, inquiry.hints.step
        return self._rooms.ask.stream(key, inquiry.question, patience=patience, timeout=run, step=step)

    async def _only(self, asked: Asked, shape: Callable[[bytes], bytes]) -> Reply:
        """From a model that gives any number of answers, the one that it gives."""
        identifier = identifier_of(asked.headers.get(b"x-request-id"))
        way = Way(identifier, generates=True)
        try:
            answers, limit = await self._stream(asked, identifier)
            async with aclosing(answers):
                first = await first_within(answers, limit)
                if (reply := refusal(first, way)) is not None:
                    return reply
                second = await anext(answers, None)
            output = first.outputs.get("")
            if output is None or (second is not None and (second.error is not None or second.outputs)):
                return refused(Invalid(NOT_ONE), identifier)
            body = output.body if isinstance(output.body, bytes) else await whole(output.body, self._rooms.blobs)
            headers = [(b"content-type", errors.JSON.encode()), (b"x-request-id", header_id(first, identifier))]
            return Reply(OK, shape(body), headers)
        except Exception as error:  # noqa: BLE001 - whatever it is becomes JSON
            return refused(error, identifier)

    def _asked(self, call: Call[NoQuery, Any]) -> Asked:
        settings, request, room = self._rooms.settings, call.request, call.room

        async def body() -> bytes:
            at_most, deadline = settings.oip.body_limit, settings.server.body_deadline
            return await whole_body(request, room, at_most, deadline, "oip.body_limit", packed=True)

        return Asked(call.params["model"], call.params.get("version"), _headers(request), body, room)

    async def _version(self, call: Call[NoQuery, Any]) -> Version:
        params = call.params
        _, version = await self._rooms.directory.resolve(call.principal, params["model"], params.get("version"))
        return version


def _headers(request: Request) -> Mapping[bytes, bytes]:
    return dict(reversed(request.scope["headers"]))


def _plain(asked: Asked) -> Asked:
    """Answers in events and plain objects are neither packed nor binary."""
    left_out = (b"accept-encoding", b"inference-header-content-length")
    return replace(asked, headers={name: value for name, value in asked.headers.items() if name not in left_out})


def _as_event(reply: Reply) -> Reply:
    if reply.status != OK:
        return reply
    kept = [(name, value) for name, value in reply.headers if name != b"content-type"]
    if (b"content-type", errors.JSON.encode()) not in reply.headers:
        return refused(Invalid(BINARY))
    return Reply(OK, generate.event(reply.body), [(b"content-type", EVENTS.encode()), *kept])


async def _response(call: Call[NoQuery, Any], reply: Reply) -> Response:
    """To a request that is over."""
    call.room.give_back()
    response = Response(reply.body, reply.status)
    response.raw_headers += reply.headers
    if reply.status >= 400 and not gone(reply) and not await drained(call.request):  # noqa: PLR2004 - refused
        response.headers["Connection"] = "close"
    return response
