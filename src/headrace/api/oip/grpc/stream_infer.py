"""ModelStreamInfer: many requests on one stream, each with one answer or any number of them (contracts/oip.md, B3)."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from headrace.api.grpc import status, varint
from headrace.api.grpc.calls import Call, Exchange
from headrace.api.grpc.status import Code, Status
from headrace.api.oip import metadata
from headrace.api.oip.events import first_within
from headrace.api.oip.grpc.infer import Infer
from headrace.api.oip.grpc.scan import Asked, has_raw, scan
from headrace.api.oip.grpc.shared_memory import REGION, SharedTensors
from headrace.api.oip.hints import of_parameters
from headrace.api.oip.proto.inference_pb2 import InferParameter, ModelInferResponse, ModelStreamInferResponse
from headrace.api.oip.shared_tensors import Place
from headrace.domain.errors import Invalid
from headrace.domain.image import FolderRecipe
from headrace.domain.question import Answer
from headrace.domain.version import Version

AT_ONCE = 64  # requests of one stream
WANTS_END = "triton_enable_empty_final_response"  # a parameter of a request
IS_FINAL = "triton_final_response"  # a parameter of an answer


def _says(*, final: bool) -> bytes:
    """Protobuf merges what stands behind each other."""
    return ModelInferResponse(parameters={IS_FINAL: InferParameter(bool_param=final)}).SerializeToString()


_FINAL, _MORE = _says(final=True), _says(final=False)
MLSERVER_ENTRY = "mlserver:"  # of a folder in MLServer's format
PROFILES = TRITON, MLSERVER = "triton", "mlserver"  # of streams
_RESPONSE = b"\x12"  # field 2 of a ModelStreamInferResponse


class StreamInfer:
    """`shared`: where clients may share memory with us. `profile`: whose form answers have where nothing is said.

    Raises Invalid for another one.
    """

    def __init__(self, infer: Infer, shared: SharedTensors | None = None, profile: str = TRITON) -> None:
        self._infer, self._shared = infer, shared
        if profile not in PROFILES:
            raise Invalid(f"oip.grpc_stream_profile should be {' or '.join(PROFILES)}, not {profile!r}")
        self._bare = "true" if profile == MLSERVER else ""

    async def stream(self, call: Call, exchange: Exchange) -> None:
        """Answers go out as they come. Raises Status."""
        said = call.metadata.get("mlserver-stream", self._bare)
        speaker: Speaker = _Bare(exchange) if said == "true" else _Triton(exchange)
        bare = None if said else _Bare(exchange)
        strict = call.metadata.get("triton_grpc_error") == "true"
        slots, turns = asyncio.Semaphore(AT_ONCE), _Turns()

        async def answer(begun: _Begun, turn: _Turn | None) -> None:
            try:
                if turn is not None and turn.before is not None:
                    await turn.before.wait()
                await self._answer(call, begun, strict=strict)
            finally:
                turns.over(turn)
                exchange.done(begun.room.size)
                slots.release()

        why: Status | None = None
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    while (message := await _next(exchange, slots)) is not None:
                        begun = await self._begin(call, message, speaker, bare)
                        group.create_task(answer(begun, turns.begin(begun.asked)))
                except Status as error:  # those that have begun are answered first
                    why = error
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        if why is not None:
            raise why

    async def _begin(self, call: Call, message: bytes, speaker: "Speaker", bare: "_Bare | None") -> "_Begun":
        """All that may take a while before it is queued, one message after the other: so they are queued in order.

        `bare`: who speaks to MLServer's clients, where nobody has said which client it is.
        """
        asked, room = Asked(), _Room(call, len(message))
        try:
            asked = scan(message)
            version = await self._infer.version(call, asked)
            if bare is not None and _is_mlservers(version, message):
                speaker = bare
            if self._shared is not None and REGION in message:
                message, places = await self._shared.take(call.principal.team, message, room.hold)
                speaker = _Shared(speaker, self._shared, call.principal.team, places)
        except Exception as error:  # noqa: BLE001 - said where it is answered
            return _Begun(asked, message, speaker, room, error)
        return _Begun(asked, message, speaker, room, version)

    async def _answer(self, call: Call, begun: "_Begun", *, strict: bool) -> None:
        try:
            await self._ask(call, begun)
        except Exception as error:
            if strict:
                raise
            await begun.speaker.say_no(begun.asked, status.of(error))

    async def _ask(self, call: Call, begun: "_Begun") -> None:
        """Raises what was found wrong before, Status, and as Ask.one and Ask.stream do."""
        asked, message, version = begun.asked, begun.message, begun.version
        if isinstance(version, Exception):
            raise version
        if metadata.tensors_of(version).streams:
            await self._many(call, asked, message, version, begun.speaker)
        else:
            await begun.speaker.say(await self._infer.one(call, asked, message, version), more=False)

    async def _many(self, call: Call, asked: Asked, message: bytes, version: Version, speaker: "Speaker") -> None:
        """Raises Status, and as Ask.stream does; also after some answers."""
        hints = of_parameters(asked.parameters, call.principal.team)
        answers = self._infer.answers(version, self._infer.question(call, asked, message), hints.step)
        async with aclosing(answers):
            answer: Answer | None = await first_within(answers, hints.limit)
            while answer is not None:
                body = await self._infer.body(answer)
                if body is not None:
                    await speaker.say(body, more=True)
                answer = await anext(answers, None)
        await self._infer.used(version)
        if (given := asked.parameters.get(WANTS_END)) is not None and given.bool_param:
            await speaker.end(asked, version)


class _Room:
    """Bytes of one of the requests."""

    def __init__(self, call: Call, size: int) -> None:
        self._call, self.size = call, size

    def hold(self, size: int) -> None:
        self._call.hold(size)
        self.size += size


def _is_mlservers(version: Version, message: bytes) -> bool:
    """Whether MLServer's own client asks a model of MLServer: Triton's sends raw tensors, or names shared memory."""
    recipe = version.recipe
    if not isinstance(recipe, FolderRecipe) or not recipe.entry.startswith(MLSERVER_ENTRY):
        return False
    return REGION not in message and not has_raw(message)


class Speaker(Protocol):
    """How answers are said on a stream."""

    async def say(self, body: bytes, *, more: bool) -> None: ...

    async def say_no(self, asked: Asked, why: Status) -> None: ...

    async def end(self, asked: Asked, version: Version) -> None: ...


@dataclass(frozen=True, slots=True)
class _Begun:
    """A request of a stream, before it is queued. `version`: or what is wrong with the request."""

    asked: Asked
    message: bytes
    speaker: Speaker
    room: _Room
    version: Version | Exception


async def _next(exchange: Exchange, slots: asyncio.Semaphore) -> bytes | None:
    """The next request, when there is a slot for it. Raises Status."""
    await slots.acquire()
    return await exchange.receive()


@dataclass(frozen=True, slots=True)
class _Turn:
    sequence: tuple[str, str, bytes]
    before: asyncio.Event | None  # set when the request before is answered
    over: asyncio.Event


class _Turns:
    """Requests of one sequence are begun in the order in which they came on the stream."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, bytes], asyncio.Event] = {}

    def begin(self, asked: Asked) -> _Turn | None:
        """None: it is of no sequence."""
        one = asked.parameters.get("sequence_id")
        if one is None:
            return None
        name = (asked.name, asked.version, one.SerializeToString())
        turn = _Turn(name, self._last.get(name), asyncio.Event())
        self._last[name] = turn.over
        return turn

    def over(self, turn: _Turn | None) -> None:
        if turn is not None:
            turn.over.set()
            if self._last.get(turn.sequence) is turn.over:
                del self._last[turn.sequence]


class _Triton:
    """Answers in Triton's form: errors are among them, and each says whether it is the last one to its request."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def say(self, body: bytes, *, more: bool) -> None:
        said = _MORE if more else _FINAL
        await self._exchange.send(_RESPONSE + varint.write(len(body) + len(said)) + body + said)

    async def say_no(self, asked: Asked, why: Status) -> None:
        response = ModelInferResponse(id=asked.identifier)
        if why.code is Code.INTERNAL:
            response.model_name = asked.name
            response.parameters[IS_FINAL].bool_param = True
        found = ModelStreamInferResponse(error_message=why.message, infer_response=response)
        await self._exchange.send(found.SerializeToString())

    async def end(self, asked: Asked, version: Version) -> None:
        response = ModelInferResponse(model_name=asked.name, model_version=version.key.version, id=asked.identifier)
        await self.say(response.SerializeToString(), more=False)


class _Shared:
    """Puts outputs into shared memory before the others are said."""

    def __init__(self, speaker: Speaker, shared: SharedTensors, team: str, places: dict[str, Place]) -> None:
        self._speaker, self._shared, self._team, self._places = speaker, shared, team, places

    async def say(self, body: bytes, *, more: bool) -> None:
        await self._speaker.say(await self._shared.give(self._team, body, self._places), more=more)

    async def say_no(self, asked: Asked, why: Status) -> None:
        await self._speaker.say_no(asked, why)

    async def end(self, asked: Asked, version: Version) -> None:
        await self._speaker.end(asked, version)


class _Bare:
    """In MLServer's form: every message is an answer, and an error ends the stream."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def say(self, body: bytes, *, more: bool) -> None:  # noqa: ARG002 - it has no place there
        await self._exchange.send(body)

    async def say_no(self, asked: Asked, why: Status) -> None:  # noqa: ARG002 - as above
        raise why

    async def end(self, asked: Asked, version: Version) -> None:
        """There is nothing to say."""
