"""POST …/infer, whatever carried it: who asks, which version, the hall, and the model's answer as it is.

No tensor is decoded here. The body goes to the replica as it came, and the replica's answer is the answer's body.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from headrace.api import errors as doors
from headrace.api.oip import compress, errors
from headrace.api.oip.callers import Callers
from headrace.api.oip.restricted import Restrictions
from headrace.catalog.directory import Directory
from headrace.catalog.models import Models
from headrace.domain.account import Action
from headrace.domain.body import BodyStore, whole
from headrace.domain.clock import now
from headrace.domain.errors import StorageFailed, Unavailable
from headrace.domain.question import Answer, Fault, Form, Question
from headrace.domain.version import Version
from headrace.inference.ask import Ask
from headrace.settings import OipSettings
from headrace.telemetry.trace import TRACEPARENT, checked_traceparent

ASK = (Action.SUBMIT_JOBS,)
LONGEST_ID = 1024  # characters of an X-Request-Id
LONGEST_ACCEPT = 200
LENGTH_DIGITS = 18

_FAULTS = {Fault.REQUEST: 400, Fault.UNSUPPORTED: 501, Fault.MODEL: 500}
_TIMEOUT = b'"timeout"'
_MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True)
class Asked:
    """Header names in lower case. `body` waits for what is still on its way; it raises what is wrong with it."""

    name: str
    version: str | None
    headers: Mapping[bytes, bytes]
    body: Callable[[], Awaitable[bytes]]
    extra: Mapping[str, str] = field(default_factory=dict)  # into the question's meta


@dataclass(frozen=True, slots=True)
class Reply:
    """`headers` hold neither Content-Length nor what every answer carries."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


class _Parameters(msgspec.Struct):
    timeout: int | None = None


class _Timed(msgspec.Struct):
    parameters: _Parameters | None = None


class Infer:
    """`ask`, `directory` and `models` are rooms; see Rooms."""

    def __init__(
        self, callers: Callers, directory: Directory, models: Models, ask: Ask, blobs: BodyStore, settings: OipSettings
    ) -> None:
        self._callers, self._directory, self._models = callers, directory, models
        self._ask, self._blobs, self._settings = ask, blobs, settings
        self._restrictions = Restrictions(settings.restricted)

    async def reply(self, asked: Asked) -> Reply:
        """Never raises: an error is a reply too."""
        identifier = _identifier(asked.headers.get(b"x-request-id"))
        try:
            answer = await self._answer(asked, identifier)
            return await self._reply(asked, answer, identifier)
        except Exception as error:  # noqa: BLE001 - the last door: whatever it is becomes JSON, unexpected things are logged
            return refused(error, identifier)

    async def _answer(self, asked: Asked, identifier: str) -> Answer:
        headers = asked.headers
        self._restrictions.check("inference", headers)
        principal = await self._callers.allowed(
            ASK,
            _text(headers.get(b"authorization")),
            _text(headers.get(b"origin")),
            _text(headers.get(b"modzy-team-id")),
        )
        _, version = await self._directory.resolve(principal, asked.name, asked.version)
        body = await asked.body()
        if b"content-encoding" in headers:
            coding = headers[b"content-encoding"].decode("latin-1")
            body = await compress.unpacked(body, coding, self._settings.body_limit)
        meta = _meta(headers, identifier)
        meta["model"] = asked.name  # as the caller calls it
        if asked.extra:
            meta |= asked.extra
        return await self._asked(version, Question({"": body}, Form.V2_REST, meta=meta), body)

    async def _asked(self, version: Version, question: Question, body: bytes) -> Answer:
        patience, run, limit = (
            self._settings.patience,
            version.timeout.run / 1000,
            _budget(body, question.meta.get("json")),
        )
        if limit is None:
            answer = await self._ask.one(version.key, question, patience=patience, timeout=run)
        else:
            try:
                async with asyncio.timeout(limit):
                    answer = await self._ask.one(version.key, question, patience=patience, timeout=run)
            except TimeoutError:
                raise Unavailable("Request timeout expired") from None
        with suppress(StorageFailed):  # when the model was last used is not worth an answer
            await self._models.touch(version.key.model, now())
        return answer

    async def _reply(self, asked: Asked, answer: Answer, identifier: str) -> Reply:
        if answer.error is not None:
            return said_no(answer, identifier)
        output = answer.outputs[""]
        body = output.body if isinstance(output.body, bytes) else await whole(output.body, self._blobs)
        headers = [
            (b"content-type", _TYPES.get(output.media_type, _OCTETS)),
            (b"x-request-id", _header(answer.meta.get("id"), identifier)),
        ]
        if "json" in answer.meta:
            headers.append((b"inference-header-content-length", _number(answer.meta["json"]).encode()))
        wanted = asked.headers.get(b"accept-encoding")
        if wanted is not None and len(body) >= compress.WORTH_IT:
            coding = compress.chosen(wanted.decode("latin-1"))
            if coding is not None:
                body = await compress.packed(body, coding)
                headers += [(b"content-encoding", coding.encode()), (b"vary", b"Accept-Encoding")]
        return Reply(200, body, headers)


def said_no(answer: Answer, identifier: str) -> Reply:
    """The replica answered with an error."""
    status = _FAULTS[answer.fault]
    given = answer.meta.get("status", "")
    if answer.fault is Fault.MODEL and given.isascii() and given.isdigit() and 400 <= int(given[:4]) <= 599:  # noqa: PLR2004 - HTTP's errors
        status = int(given)
    body = msgspec.json.encode(errors.ErrorBody(answer.error or ""))
    return Reply(status, body, [_JSON, (b"x-request-id", _header(answer.meta.get("id"), identifier))])


def refused(error: Exception, identifier: str = "") -> Reply:
    found = errors.refusal(error)
    headers = [_JSON, *((name.lower().encode(), value.encode("latin-1")) for name, value in found.headers.items())]
    if identifier:
        headers.append((b"x-request-id", identifier.encode("latin-1")))
    return Reply(found.status, found.body, headers)


def gone(reply: Reply) -> bool:
    """Nobody is there any more to read it."""
    return reply.status == doors.CLOSED_REQUEST


def new_identifier() -> str:
    """A version 4 UUID, in a tenth of the time that the standard library takes."""
    text = os.urandom(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


_JSON = (b"content-type", errors.JSON.encode())
_OCTETS = b"application/octet-stream"
_TYPES = {errors.JSON: errors.JSON.encode(), "application/octet-stream": _OCTETS}  # a replica may name no other


def _identifier(given: bytes | None) -> str:
    """What came, as far as a header may hold it; a new one when none came."""
    if given and len(given) <= LONGEST_ID and (text := given.decode("latin-1")).isprintable():
        return text
    return new_identifier()


def _header(said: str | None, otherwise: str) -> bytes:
    """An id that stood in the body may be any text, and a header may not."""
    if said and len(said) <= LONGEST_ID and said.isascii() and said.isprintable():
        return said.encode()
    return otherwise.encode("latin-1")


def _meta(headers: Mapping[bytes, bytes], identifier: str) -> dict[str, str]:
    meta = {"id": identifier}
    length = headers.get(b"inference-header-content-length")
    if length is not None:
        meta["json"] = _number(length.decode("latin-1"))
    accept = headers.get(b"accept", b"*/*")
    if accept != b"*/*":
        meta["accept"] = accept[:LONGEST_ACCEPT].decode("latin-1")
    parent = headers.get(b"traceparent")
    if parent is not None and (traceparent := checked_traceparent(parent.decode("latin-1"))):
        meta[TRACEPARENT] = traceparent
    return meta


def _number(text: str) -> str:
    """What is no number is read as 0, as Triton does (contracts/oip.md, A9)."""
    text = text.strip()
    digits = text.removeprefix("-")
    return text if digits.isascii() and digits.isdigit() and len(digits) <= LENGTH_DIGITS else "0"


def _budget(body: bytes, json_length: str | None) -> float | None:
    """Seconds that the request itself allows: `parameters.timeout`, in microseconds. Most bodies have none."""
    end = len(body) if json_length is None else min(len(body), max(0, int(json_length)))
    if body.find(_TIMEOUT, 0, end) < 0:
        return None
    try:
        found = msgspec.json.decode(body[:end], type=_Timed)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the replica says what is wrong with it
        return None
    microseconds = found.parameters.timeout if found.parameters is not None else None
    return microseconds / _MICROSECONDS if microseconds is not None and microseconds > 0 else None


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")
