"""POST …/infer, whatever carried it: who asks, which version, the hall, and the model's answer as it is.

No tensor is decoded here. The body goes to the replica as it came, and the replica's answer is the answer's body.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from headrace.api import errors as doors
from headrace.api.bodies import Room
from headrace.api.callers import TOKEN, Caller, authorization
from headrace.api.oip import compress, errors
from headrace.api.oip.cloudevents import CloudEvents
from headrace.api.oip.heads import Head
from headrace.api.oip.hints import NONE, Hints, has_none, of_json
from headrace.api.oip.permits import Permit, Permits
from headrace.api.oip.restricted import Restrictions
from headrace.api.oip.seen import Seen
from headrace.api.oip.shared_tensors import REGION, Places, Sharing
from headrace.catalog.models import Models
from headrace.dialects.slots import Slots
from headrace.domain.body import BodyStore, Slot, whole
from headrace.domain.clock import now
from headrace.domain.errors import HeadraceError, StorageFailed, Unavailable
from headrace.domain.question import Answer, Form, Output, Question
from headrace.domain.version import Version
from headrace.inference.ask import Ask, Tell, Ticket
from headrace.settings import OipSettings
from headrace.telemetry.trace import TRACEPARENT, checked_traceparent

LONGEST_ID = 1024  # characters of an X-Request-Id
LONGEST_ACCEPT = 200
LENGTH_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Asked:
    """Header names in lower case. `body` waits for what is still on its way; it raises what is wrong with it.

    `room`: for what the request grows by here. Whoever made it gives it back when the request is over.
    """

    name: str
    version: str | None
    headers: Mapping[bytes, bytes]
    body: Callable[[], Awaitable[bytes]]
    room: Room
    extra: Mapping[str, str] = field(default_factory=dict)  # into the question's meta


@dataclass(frozen=True, slots=True)
class Reply:
    """`headers` hold neither Content-Length nor what every answer carries."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A question that may be asked, and what the request says of how."""

    version: Version
    question: Question
    hints: Hints
    places: Places | None = None  # where outputs are to be written, when tensors lie in shared memory


class Infer:
    """`models` and `ask` are rooms; see Rooms. `sharing`: where clients may share memory with us.

    `slots`: where large bodies lie, when it is known whom they will ask.
    """

    sharing: Sharing | None = None
    slots: Slots | None = None

    def __init__(self, permits: Permits, models: Models, ask: Ask, blobs: BodyStore, settings: OipSettings) -> None:
        self._permits, self._models = permits, models
        self._ask, self._blobs, self._settings = ask, blobs, settings
        self._patience = settings.patience
        self._cloudevents = CloudEvents.of(settings)
        self._longer = ask.watched or self._cloudevents is not None  # no question goes the shortest way
        self._restrictions, self._seen = Restrictions(settings.restricted), Seen.of(settings)

    async def reply(self, asked: Asked) -> Reply:
        """Never raises: an error is a reply too."""
        identifier = identifier_of(asked.headers.get(b"x-request-id"))
        try:
            answer = await self._answer(asked, identifier)
            reply = await self._reply(asked.headers, answer, identifier)
        except Exception as error:  # noqa: BLE001 - the last door: whatever it is becomes JSON, unexpected things are logged
            return refused(error, identifier)
        if self._cloudevents is not None and answer.error is None:
            reply.headers.extend(self._cloudevents.headers(asked.name, dict(reply.headers)[b"x-request-id"]))
        return reply

    def meta(self, headers: Mapping[bytes, bytes], name: str) -> dict[str, str]:
        """What a replica is told beside the body, but for the identifier. `name`: as the caller calls the model."""
        meta = meta_of(headers, name)
        if self._settings.bare_numbers:
            meta["bare"] = "1"
        if self._seen is not None:
            meta["headers"] = self._seen.told(headers)
        return meta

    def at_once(self, head: Head, body: bytes | Slot, identifier: str, tell: Tell) -> Ticket | None:
        """Puts a question into its queue without waiting for anything; `tell` gets what comes of it.

        None when that takes more than a look into memory: then `reply` does it. Raises Unavailable.
        """
        permit = self._permit(head)
        if permit is None or self._longer:
            return None
        said = body if type(body) is bytes else bytes(body.view[: head.json_length])  # type: ignore[union-attr]
        if not has_none(said, head.json_length):
            return None
        if self.sharing is not None and REGION in said:
            return None
        question = Question({"": body}, Form.V2_REST, False, {**head.meta, "id": identifier})  # noqa: FBT003 - in place: faster
        return self._ask.put(permit.version.key, question, patience=self._patience, timeout=permit.run, tell=tell)

    def permitted(self, head: Head) -> bool:
        """Whether a body behind this head is worth collecting; whether it may be asked is seen when it is here."""
        return self._permit(head) is not None

    def place(self, head: Head) -> Slot | None:
        """Where the body behind this head should be received. None: in bytes, for it is small, or there is no room."""
        permit = self._permit(head)
        if permit is None or self.slots is None or self._longer:
            return None
        return self.slots.take(permit.version.key, head.length)

    def _permit(self, head: Head) -> Permit | None:
        """None: whether it may be asked has to be found out."""
        permit = head.permit
        if permit is None or not self._permits.good(permit):
            permit = head.permit = self._permits.known(head.caller, head.name, head.version)
        return permit

    def withdraw(self, ticket: Ticket) -> None:
        self._ask.withdraw(ticket)

    def told(self, head: Head, said: Answer | HeadraceError, identifier: str) -> Reply | None:
        """What `tell` was given, as a reply; None when it takes a while: then `reply_to` does it."""
        if not isinstance(said, Answer):
            return refused(said, identifier)
        if said.error is not None:
            return said_no(said, identifier)
        output = said.outputs[""]
        body = output.body
        if not isinstance(body, bytes) or (head.accepts_packed and len(body) >= compress.WORTH_IT):
            return None
        return Reply(200, body, _headers(said, output, identifier))

    async def _answer(self, asked: Asked, identifier: str) -> Answer:
        inquiry = await self.inquiry(asked, identifier)
        answer = await self._asked(inquiry)
        if inquiry.places is None or self.sharing is None:
            return answer
        return await self.sharing.give(answer, inquiry.places)

    async def inquiry(self, asked: Asked, identifier: str) -> Inquiry:
        """Raises why it may not be asked."""
        headers = asked.headers
        self._restrictions.check("inference", headers)
        permit = await self._permits.find(caller_of(headers), asked.name, asked.version)
        body = await asked.body()
        if b"content-encoding" in headers:
            coding = headers[b"content-encoding"].decode("latin-1")
            body = await compress.unpacked(body, coding, self._settings.body_limit, asked.room.grow)
        meta = self.meta(headers, asked.name)
        meta["id"] = identifier
        if headers.get(b"x-request-id") == identifier.encode():
            meta["named"] = "1"  # by the caller
        if asked.extra:
            meta |= asked.extra
        places = None
        if self.sharing is not None and REGION in body:
            body, meta, places = await self.sharing.take(permit.team, body, meta, asked.room.grow)
        hints = of_json(body, meta.get("json"), permit.team)
        return Inquiry(permit.version, Question({"": body}, Form.V2_REST, meta=meta), hints, places)

    async def _asked(self, inquiry: Inquiry) -> Answer:
        version, question, hints = inquiry.version, inquiry.question, inquiry.hints
        patience, run = self._settings.patience, version.timeout.run / 1000
        if hints is NONE:
            answer = await self._ask.one(version.key, question, patience=patience, timeout=run)
        else:
            try:
                async with asyncio.timeout(hints.limit):
                    if hints.step is None:
                        answer = await self._ask.one(version.key, question, patience=patience, timeout=run)
                    else:
                        answer = await self._ask.in_sequence(
                            version.key, question, hints.step, patience=patience, timeout=run
                        )
            except TimeoutError:
                raise Unavailable("Request timeout expired") from None
        await self.used(version)
        return answer

    async def used(self, version: Version) -> None:
        """When a model was last used is not worth an answer."""
        with suppress(StorageFailed):
            await self._models.touch(version.key.model, now())

    async def reply_to(self, headers: Mapping[bytes, bytes], answer: Answer, identifier: str) -> Reply:
        """Never raises."""
        try:
            return await self._reply(headers, answer, identifier)
        except Exception as error:  # noqa: BLE001 - the last door, as above
            return refused(error, identifier)

    async def _reply(self, asked: Mapping[bytes, bytes], answer: Answer, identifier: str) -> Reply:
        if answer.error is not None:
            return said_no(answer, identifier)
        output = answer.outputs[""]
        body = output.body if isinstance(output.body, bytes) else await whole(output.body, self._blobs)
        headers = _headers(answer, output, identifier)
        coding = compress.wanted(asked) if len(body) >= compress.WORTH_IT else None
        if coding is not None:
            body = await compress.packed(body, coding)
            headers += [(b"content-encoding", coding.encode()), (b"vary", b"Accept-Encoding")]
        return Reply(200, body, headers)


def _headers(answer: Answer, output: Output, identifier: str) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"content-type", _TYPES.get(output.media_type, _OCTETS)),
        (b"x-request-id", header_id(answer, identifier)),
    ]
    if "json" in answer.meta:
        headers.append((b"inference-header-content-length", _number(answer.meta["json"]).encode()))
    return headers


def said_no(answer: Answer, identifier: str) -> Reply:
    """The replica answered with an error."""
    body = msgspec.json.encode(errors.ErrorBody(answer.error or ""))
    return Reply(answer.status, body, [_JSON, (b"x-request-id", header_id(answer, identifier))])


def refused(error: Exception, identifier: str = "") -> Reply:
    found = errors.refusal(error)
    headers = [_JSON, *((name.lower().encode(), value.encode("latin-1")) for name, value in found.headers.items())]
    if identifier:
        headers.append((b"x-request-id", identifier.encode()))
    return Reply(found.status, found.body, headers)


def plain(head: Head, said: Answer | HeadraceError) -> bytes | None:
    """The body of an answer in JSON that goes out as it is, with no more to say than that it went well."""
    if type(said) is not Answer or said.error is not None:
        return None
    output, meta = said.outputs.get(""), said.meta
    if output is None:
        return None
    body = output.body
    if type(body) is not bytes or output.media_type != errors.JSON:
        return None
    if head.accepts_packed and len(body) >= compress.WORTH_IT:
        return None
    return None if meta and ("id" in meta or "json" in meta) else body


def gone(reply: Reply) -> bool:
    """Nobody is there any more to read it."""
    return reply.status == doors.CLOSED_REQUEST


def new_identifier() -> str:
    """A version 4 UUID, in a twentieth of the time that the standard library takes: unique, not secret."""
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def identifiers() -> Iterator[str]:
    """As `new_identifier`, in a fifth of the time: chance, new for each door, and a number that grows from there."""
    first = new_identifier()[:-12]
    number = random.getrandbits(47)
    while True:
        yield f"{first}{number:012x}"
        number += 1


_TOKEN = TOKEN.encode()
_JSON = (b"content-type", errors.JSON.encode())
_OCTETS = b"application/octet-stream"
_TYPES = {errors.JSON: errors.JSON.encode(), "application/octet-stream": _OCTETS}  # a replica may name no other


def identifier_of(given: bytes | None) -> str:
    """What came, as far as a header may hold it; a new one when none came."""
    if given and len(given) <= LONGEST_ID:
        with suppress(UnicodeDecodeError):
            if (text := given.decode()).isprintable():
                return text
    return new_identifier()


def header_id(answer: Answer, otherwise: str) -> bytes:
    """For X-Request-Id. An id that stood in the body may be any text, and a header may not."""
    said = answer.meta.get("id")
    if said and len(said) <= LONGEST_ID and said.isascii() and said.isprintable():
        return said.encode()
    return otherwise.encode()


def caller_of(headers: Mapping[bytes, bytes]) -> Caller:
    given = _text(headers.get(b"authorization"))
    if not given and _TOKEN in headers:
        given = authorization(None, _text(headers[_TOKEN]))
    return Caller(given, _text(headers.get(b"origin")), _text(headers.get(b"modzy-team-id")))


def meta_of(headers: Mapping[bytes, bytes], name: str) -> dict[str, str]:
    """Without the identifier. `name`: as the caller calls the model."""
    meta = {"model": name}
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
    """What is no number is read as 0, as Triton does (contracts/oip.md, A9); no body is as long as the largest."""
    text = text.strip()
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        return "0"
    return text if len(digits) <= LENGTH_DIGITS else "9" * LENGTH_DIGITS


def _text(header: bytes | None) -> str | None:
    return None if header is None else header.decode("latin-1")
