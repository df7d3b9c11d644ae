"""ModelInfer: the request goes to the replica as it came, and its answer is the answer."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress

from headrace.api.grpc.calls import Call, Said
from headrace.api.grpc.headers import REQUEST_ID, Head, caller_of
from headrace.api.grpc.status import Code, Status, as_header
from headrace.api.oip.cloudevents import CloudEvents
from headrace.api.oip.grpc.scan import Asked, Scanner
from headrace.api.oip.hints import NONE, SEQUENCE, of_parameters
from headrace.api.oip.permits import Permits
from headrace.api.oip.seen import Seen
from headrace.catalog.directory import Directory
from headrace.catalog.models import Models
from headrace.dialects.slots import Slots
from headrace.domain.body import BodyStore, Slot, whole
from headrace.domain.clock import now
from headrace.domain.errors import HeadraceError, StorageFailed, Unavailable
from headrace.domain.question import Answer, Fault, Form, Question
from headrace.domain.version import Version
from headrace.inference.ask import Ask, Step, Tell, Ticket
from headrace.settings import OipSettings
from headrace.telemetry.trace import TRACEPARENT, checked_traceparent

_FAULTS = {Fault.REQUEST: Code.INVALID_ARGUMENT, Fault.UNSUPPORTED: Code.UNIMPLEMENTED, Fault.MODEL: Code.INTERNAL}
_STATUSES = {
    "400": Code.INVALID_ARGUMENT,
    "401": Code.UNAUTHENTICATED,
    "403": Code.PERMISSION_DENIED,
    "404": Code.NOT_FOUND,
    "409": Code.ABORTED,
    "422": Code.FAILED_PRECONDITION,
    "429": Code.RESOURCE_EXHAUSTED,
    "501": Code.UNIMPLEMENTED,
    "503": Code.UNAVAILABLE,
    "504": Code.DEADLINE_EXCEEDED,
}


class Infer:
    """`slots`: where large messages lie."""

    slots: Slots | None = None

    def __init__(
        self, permits: Permits, directory: Directory, models: Models, ask: Ask, blobs: BodyStore, settings: OipSettings
    ) -> None:
        self._permits, self._directory, self._models, self._ask, self._blobs = permits, directory, models, ask, blobs
        self._patience, self._scanner, self._seen = settings.patience, Scanner(), Seen.of(settings)
        self._cloudevents = CloudEvents.of(settings)
        self._longer = ask.watched or self._cloudevents is not None  # no question goes the shortest way

    def place(self, head: Head, beginning: bytes, size: int) -> Slot | None:
        """For a message in words that came before."""
        asked = self._scanner.known(beginning, size)
        if asked is None or self.slots is None or self._longer:
            return None
        permit = self._permits.known(head.caller, asked.name, asked.version or None)
        return None if permit is None else self.slots.take(permit.version.key, size)

    def ask(self, head: Head, message: bytes | Slot, tell: Tell) -> Ticket | None:
        """Puts a question into its queue without waiting for anything. Raises Invalid, Unavailable."""
        asked = self._scanner.scan(message if isinstance(message, bytes) else message.view)
        permit = self._permits.known(head.caller, asked.name, asked.version or None)
        if permit is None or asked.parameters or self._longer:
            return None
        marked = head.marked or self._seen is not None
        meta = self._meta(head.metadata, asked) if marked else {"model": asked.name}
        question = Question({"": message}, Form.V2_GRPC, meta=meta)
        return self._ask.put(permit.version.key, question, patience=self._patience, timeout=permit.run, tell=tell)

    def said(self, told: Answer | HeadraceError) -> Said:
        if not isinstance(told, Answer):
            return told
        if told.error is not None:
            return _refusal(told, told.error)
        if (output := told.outputs.get("")) is None:
            return _nothing()
        body = output.body
        return body if isinstance(body, bytes) else whole(body, self._blobs)

    def withdraw(self, ticket: Ticket) -> None:
        self._ask.withdraw(ticket)

    async def unary(self, call: Call, message: bytes) -> bytes:
        asked = self._scanner.scan(message)
        if SEQUENCE not in asked.parameters:
            call.turn.over()
        permit = await self._permits.find(caller_of(call.metadata), asked.name, asked.version or None)
        answer = await self.one(call, asked, message, permit.version)
        if self._cloudevents is not None:
            identifier = asked.identifier or call.metadata.get(REQUEST_ID, "")
            call.trailing.extend(self._cloudevents.headers(asked.name, as_header(identifier)))
        return answer

    async def one(self, call: Call, asked: Asked, message: bytes, version: Version) -> bytes:
        """Queued before anything is waited for. Raises Status, and as Ask.one does."""
        hints = of_parameters(asked.parameters, call.principal.team)
        question = self.question(call, asked, message)
        if hints is NONE:
            answer = await self._asked(call, version, question)
        else:
            try:
                async with asyncio.timeout(hints.limit):
                    answer = await self._asked(call, version, question, hints.step)
            except TimeoutError:
                raise Unavailable("Request timeout expired") from None
        await self.used(version)
        body = await self.body(answer)
        if body is None:
            raise _nothing()
        return body

    async def version(self, call: Call, asked: Asked) -> Version:
        """Raises as Directory.resolve does."""
        _, version = await self._directory.resolve(call.principal, asked.name, asked.version or None)
        return version

    def question(self, call: Call, asked: Asked, message: bytes) -> Question:
        return Question({"": message}, Form.V2_GRPC, meta=self._meta(call.metadata, asked))

    def _meta(self, metadata: Mapping[str, str], asked: Asked) -> dict[str, str]:
        meta = _meta(metadata, asked)
        if self._seen is not None:
            meta["headers"] = self._seen.told_of(metadata)
        return meta

    def answers(self, version: Version, question: Question, step: Step | None) -> AsyncGenerator[Answer, None]:
        """Of a model that gives any number of them."""
        run = version.timeout.run / 1000
        return self._ask.stream(version.key, question, patience=self._patience, timeout=run, step=step)

    async def used(self, version: Version) -> None:
        """When a model was last used is not worth an answer."""
        with suppress(StorageFailed):
            await self._models.touch(version.key.model, now())

    async def body(self, answer: Answer) -> bytes | None:
        """A response; None for the end of a stream. Raises Status where the model said no."""
        if answer.error is not None:
            raise _refusal(answer, answer.error)
        if (output := answer.outputs.get("")) is None:
            return None
        return output.body if isinstance(output.body, bytes) else await whole(output.body, self._blobs)

    async def _asked(self, call: Call, version: Version, question: Question, step: Step | None = None) -> Answer:
        key, patience, run = version.key, self._patience, version.timeout.run / 1000
        if step is not None:
            await call.turn.come()
        call.turn.over()
        if step is not None:
            return await self._ask.in_sequence(key, question, step, patience=patience, timeout=run)
        return await self._ask.one(key, question, patience=patience, timeout=run)


def _meta(metadata: Mapping[str, str], asked: Asked) -> dict[str, str]:
    meta = {"model": asked.name}  # as the caller calls it
    given = metadata.get(REQUEST_ID)
    if given and not asked.identifier:
        meta |= {"id": given, "named": "1"}
    if traceparent := checked_traceparent(metadata.get(TRACEPARENT)):
        meta[TRACEPARENT] = traceparent
    return meta


def _nothing() -> Status:
    return Status(Code.INTERNAL, "the model's answer holds nothing")


def _refusal(answer: Answer, said: str) -> Status:
    code = _FAULTS[answer.fault]
    if answer.fault is Fault.MODEL:
        code = _STATUSES.get(answer.meta.get("status", ""), code)
    return Status(code, said.replace("HTTP end point doesn't", "ModelInfer RPC doesn't", 1))
