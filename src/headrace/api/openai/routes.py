"""The door for OpenAI's clients: /v1/models, /v1/completions, /v1/chat/completions, /v1/embeddings.

The same keys, models, queues and replicas as for inferences: only the words differ (texts.py). A model that declares
one of these paths itself (MLServer's `@custom_handler`) is asked instead.
"""

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from headrace.api import sentences
from headrace.api.callers import Callers
from headrace.api.door import Contract, Door
from headrace.api.endpoint import Call, Endpoint, NoQuery, Row
from headrace.api.oip import metadata
from headrace.api.oip.infer import meta_of
from headrace.api.oip.rest import CallersGate
from headrace.api.oip.restricted import Restrictions
from headrace.api.openai import chunks, shapes, texts
from headrace.api.rooms import Rooms
from headrace.api.table import Table
from headrace.domain.account import Action, Principal
from headrace.domain.body import whole
from headrace.domain.clock import now
from headrace.domain.errors import HeadraceError, Invalid, ModelFailed, NotFound, StorageFailed, Unsupported
from headrace.domain.ids import VersionKey
from headrace.domain.model import Model
from headrace.domain.question import Answer, Fault, Form, Question
from headrace.domain.tensor import TensorModel
from headrace.domain.version import Version

Raw = Call[NoQuery, bytes]
NoBody = Call[NoQuery, None]


def door(rooms: Rooms) -> Door:
    gate = CallersGate(Callers(rooms.keys, rooms.settings))
    contract = Contract(("/v1/",), chunks.refused)
    return Door(Table(Routes(rooms).rows()), gate, rooms.settings.server, contract, bodies=rooms.bodies)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Of completions: how they are called, and where their text stands."""

    name: str
    piece: str
    prefix: str

    def choice(self, index: int, text: str) -> shapes.Choice:
        if self is COMPLETION:
            return shapes.Choice(index, "stop", text=text)
        return shapes.Choice(index, "stop", message={"role": "assistant", "content": text})

    def part(self, text: str | None, *, first: bool = False) -> shapes.Choice:
        """None: the end."""
        reason = "stop" if text is None else None
        if self is COMPLETION:
            return shapes.Choice(0, reason, text=text or "")
        role = {"role": "assistant"} if first else {}  # clients put all pieces together, key by key
        return shapes.Choice(0, reason, delta=role if text is None else {**role, "content": text})


COMPLETION = _Kind("text_completion", "text_completion", "cmpl-")
CHAT = _Kind("chat.completion", "chat.completion.chunk", "chatcmpl-")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request for one version, read as far as all kinds of it agree."""

    call: Raw
    body: dict[str, Any]
    name: str
    version: Version
    tensors: TensorModel


class Routes:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._restrictions = Restrictions(rooms.settings.oip.restricted)

    def rows(self) -> list[Row]:
        read, ask = Action.READ_LIBRARY, Action.SUBMIT_JOBS
        given: dict[str, Any] = {"body": bytes, "body_schema": dict[str, Any], "errors": (501,)}
        rows: list[Row] = [
            Endpoint("GET", "/v1/models", "Models of texts", read, self.models, answer=shapes.ModelCards),
            Endpoint("GET", "/v1/models/{model}", "One of them", read, self.model, answer=shapes.ModelCard),
            Endpoint(
                "POST", "/v1/completions", "Complete texts", ask, self.completions, answer=shapes.Completion, **given
            ),
            Endpoint(
                "POST", "/v1/chat/completions", "Answer messages", ask, self.chats, answer=shapes.Completion, **given
            ),
            Endpoint("POST", "/v1/embeddings", "Embed texts", ask, self.embeddings, answer=shapes.Embeddings, **given),
        ]
        return [self._restrictions.guarded(row) for row in rows]

    async def models(self, call: NoBody) -> shapes.ModelCards:
        found = []
        for model in await self._rooms.directory.all(call.principal):
            if model.active_versions:
                version = await self._rooms.versions.get(VersionKey(model.identifier, model.active_versions[-1]))
                if _of_texts(version):
                    found.append(_card(model.name, model, version))
        return shapes.ModelCards(found)

    async def model(self, call: NoBody) -> shapes.ModelCard:
        name = call.params["model"]
        return _card(name, *await self._resolved(call.principal, name))

    async def completions(self, call: Raw) -> Response | shapes.Completion:
        asked = await self._asked(call)
        found = texts.prompts(asked.body)
        requests = [texts.completion(asked.body, text, asked.tensors) for text in found]
        return await self._answered(asked, requests, COMPLETION)

    async def chats(self, call: Raw) -> Response | shapes.Completion:
        asked = await self._asked(call)
        return await self._answered(asked, [texts.chat(asked.body, asked.tensors)], CHAT)

    async def embeddings(self, call: Raw) -> shapes.Embeddings:
        asked = await self._asked(call)
        if not texts.embeds(asked.tensors):
            raise Invalid(f"model '{asked.name}' embeds no texts: it has no output `{texts.EMBEDDING}`")
        given = texts.prompts(asked.body, "input")
        request = texts.embedding(asked.body, given, asked.tensors)
        [answer] = [one async for one in self._answers(asked, request)]
        shown = [texts.shown(one, asked.body.get("encoding_format")) for one in texts.vectors_of(answer, len(given))]
        return shapes.Embeddings(asked.name, [shapes.Embedding(index, one) for index, one in enumerate(shown)])

    async def _asked(self, call: Raw) -> _Asked:
        """Raises Invalid, NotFound, Forbidden."""
        body = sentences.decode(call.body, dict[str, Any])
        name = body.get("model")
        if not isinstance(name, str):
            raise Invalid("`model` should be the name of a model")
        if body.get("n") not in (None, 1):
            raise Invalid("`n` should be 1: ask again for another answer")
        _, version = await self._resolved(call.principal, name)
        return _Asked(call, body, name, version, metadata.tensors_of(version))

    async def _resolved(self, principal: Principal, name: str) -> tuple[Model, Version]:
        """Of models that take texts. Raises NotFound, NotReady."""
        model, version = await self._rooms.directory.resolve(principal, name)
        if not _of_texts(version):
            raise NotFound(f"model '{name}' takes no texts: it has no input `{texts.TEXT}` or `{texts.CHAT}`")
        return model, version

    async def _answered(self, asked: _Asked, requests: list[bytes], kind: _Kind) -> Response | shapes.Completion:
        if not texts.completes(asked.tensors):
            raise Invalid(f"model '{asked.name}' gives no texts: it has no output `{texts.TEXT_OUT}`")
        head = _head(asked, kind)
        if asked.body.get("stream") is True:
            if len(requests) > 1:
                raise Invalid("only one prompt can be answered as a stream")
            return chunks.Chunks(self._pieces(asked, requests[0], head))
        for index, request in enumerate(requests):
            text = "".join([texts.text_of(one) async for one in self._answers(asked, request)])
            head.choices.append(kind.choice(index, text))
        return head

    async def _pieces(
        self, asked: _Asked, request: bytes, head: shapes.Completion
    ) -> AsyncGenerator[shapes.Completion, None]:
        kind = COMPLETION if head.object == COMPLETION.name else CHAT
        async with aclosing(self._answers(asked, request)) as answers:
            first = True
            async for answer in answers:
                yield _piece(head, kind.part(texts.text_of(answer), first=first))
                first = False
        yield _piece(head, kind.part(None, first=first))

    async def _answers(self, asked: _Asked, request: bytes) -> AsyncGenerator[bytes, None]:
        """Infer responses, one or any number. Raises what is wrong with the request, or with the model."""
        async with aclosing(self._from_model(asked, request)) as answers:
            async for answer in answers:
                if answer.error is not None:
                    raise _error(answer)
                if (output := answer.outputs.get("")) is not None:
                    yield output.body if isinstance(output.body, bytes) else await whole(output.body, self._rooms.blobs)
        with suppress(StorageFailed):  # when a model was last used is not worth an answer
            await self._rooms.models.touch(asked.version.key.model, now())

    async def _from_model(self, asked: _Asked, request: bytes) -> AsyncGenerator[Answer, None]:
        key, run = asked.version.key, asked.version.timeout.run / 1000
        meta = meta_of(dict(reversed(asked.call.request.scope["headers"])), asked.name)
        meta.pop("json", None)
        question = Question({"": request}, Form.V2_REST, meta=meta)
        patience = self._rooms.settings.oip.patience
        if not asked.tensors.streams:
            yield await self._rooms.ask.one(key, question, patience=patience, timeout=run)
            return
        async with aclosing(self._rooms.ask.stream(key, question, patience=patience, timeout=run)) as answers:
            async for answer in answers:
                yield answer


def _of_texts(version: Version) -> bool:
    tensors = metadata.tensors_of(version)
    return texts.completes(tensors) or texts.embeds(tensors)


def _card(name: str, model: Model, version: Version) -> shapes.ModelCard:
    return shapes.ModelCard(name, version.created // 1000, model.team)


def _head(asked: _Asked, kind: _Kind) -> shapes.Completion:
    return shapes.Completion(kind.prefix + secrets.token_hex(12), kind.name, int(time.time()), asked.name, [])


def _piece(head: shapes.Completion, choice: shapes.Choice) -> shapes.Completion:
    kind = COMPLETION if head.object == COMPLETION.name else CHAT
    return shapes.Completion(head.id, kind.piece, head.created, head.model, [choice])


def _error(answer: Answer) -> HeadraceError:
    message = answer.error or ""
    match answer.fault:
        case Fault.REQUEST:
            return Invalid(message)
        case Fault.UNSUPPORTED:
            return Unsupported(message)
        case _:
            return ModelFailed(message)
