"""Single inferences by the edge API: named files to one replica, and its outputs, without a job.

What is wrong with a request is the call's status. What fails in the model is an inference that has FAILED, and its one
output, `error`, says why: the message has no field for it.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256

from headrace.api.edge.kept import Inferences, Kept
from headrace.api.edge.messages import said_plainly
from headrace.api.edge.proto import edge_inferences_pb2 as pb
from headrace.api.edge.proto.edge_common_pb2 import ModelIdentifier
from headrace.api.grpc.calls import Call, Exchange
from headrace.api.grpc.status import Status
from headrace.api.grpc.typed import parsed
from headrace.api.rooms import Rooms
from headrace.domain.body import size_of, whole
from headrace.domain.clock import now
from headrace.domain.errors import (
    HeadraceError,
    Invalid,
    ModelFailed,
    StorageFailed,
    TooLarge,
    Unavailable,
    Unsupported,
)
from headrace.domain.ids import new_id
from headrace.domain.question import Answer, Fault, Question
from headrace.domain.version import Version
from headrace.inference.validate import refusal
from headrace.telemetry.trace import TRACEPARENT, checked_traceparent

WAIT = 5.0  # seconds that PerformInference waits for the end; clients ask again until then
WINDOW = 32  # inferences of one stream at once
ERROR = "error"  # the output of an inference that has failed

_REFUSED = {Fault.REQUEST: Invalid, Fault.UNSUPPORTED: Unsupported}


_Next = tuple[Kept, int] | Exception | None  # of a stream: an inference and its request's size, or the end


class InferenceCalls:
    def __init__(self, rooms: Rooms) -> None:
        self._directory, self._models, self._ask, self._blobs = rooms.directory, rooms.models, rooms.ask, rooms.blobs
        self._patience, self._most = rooms.settings.oip.patience, rooms.settings.server.json_limit
        self.kept = Inferences(rooms.settings.edge)
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """The loop in which inferences live: as long as the door, and longer than the calls that have begun them."""
        async with asyncio.TaskGroup() as self._group:
            await asyncio.get_running_loop().create_future()  # until it is cancelled

    async def perform(self, call: Call, request: pb.InferenceRequest) -> pb.Inference:
        """The whole of it, when it ends soon; else how far it is. Raises whatever is wrong with the request."""
        kept = await self._begin(call, request, _told(request))
        try:
            async with asyncio.timeout(WAIT):
                await kept.over.wait()
        except TimeoutError:
            return kept.told
        if kept.error is not None and not isinstance(kept.error, ModelFailed):
            self.kept.drop(kept)
            raise kept.error
        return kept.told

    async def details(self, call: Call, request: pb.InferenceIdentifier) -> pb.Inference:
        return self.kept.get(call.principal, request.identifier).told

    async def stream(self, call: Call, exchange: Exchange) -> None:
        """One answer to each request, in their order; a request that is refused costs only itself."""
        waiting: asyncio.Queue[_Next] = asyncio.Queue(WINDOW)
        unsaid: set[Kept] = set()
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read(call, exchange, waiting, unsaid))
                try:
                    while isinstance(one := await waiting.get(), tuple):
                        kept, size = one
                        await kept.over.wait()
                        await exchange.send(kept.told.SerializeToString())
                        exchange.done(size)
                        unsaid.discard(kept)
                finally:
                    reading.cancel()
                    for kept in unsaid:  # nobody hears their answers
                        kept.call_off()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        if one is not None:
            raise one

    async def _read(self, call: Call, exchange: Exchange, waiting: asyncio.Queue[_Next], unsaid: set[Kept]) -> None:
        """What ends the requests comes behind them: those before it are answered."""
        end: Exception | None = None
        try:
            while not exchange.stopping() and (raw := await exchange.receive()) is not None:
                kept = await self._begun(call, raw)
                unsaid.add(kept)
                await waiting.put((kept, len(raw)))
        except (HeadraceError, Status) as error:
            end = error
        await waiting.put(end)

    async def _begun(self, call: Call, raw: bytes) -> Kept:
        """Raises Invalid for what is no request at all: nothing behind it can be trusted."""
        request = parsed(pb.InferenceRequest, raw)
        told = _told(request)
        try:
            return await self._begin(call, request, told)
        except HeadraceError as error:
            kept = Kept(call.principal.account, call.principal.user.identifier, told)
            self._fail(kept, error)
            return kept

    async def _begin(self, call: Call, request: pb.InferenceRequest, told: pb.Inference) -> Kept:
        """Raises Invalid, Unsupported, NotFound, NotReady, Unavailable."""
        model, version = await self._directory.resolve(
            call.principal, _named(request.model), request.model.version or None
        )
        told.model.identifier, told.model.version, told.model.name = model.identifier, version.key.version, model.name
        bodies = _bodies(request)
        if sentence := refusal(version, bodies):
            raise Invalid(sentence)
        if self._group is None:
            raise Unavailable("this server is starting: ask again in a moment")
        kept = self.kept.begin(call.principal, told)
        traceparent = checked_traceparent(call.metadata.get(TRACEPARENT))
        meta = {TRACEPARENT: traceparent} if traceparent else {}
        question = Question(bodies, explain=request.explain, meta=meta)
        kept.task = self._group.create_task(self._run(kept, version, question))
        return kept

    async def _run(self, kept: Kept, version: Version, question: Question) -> None:
        kept.told.status = pb.IN_PROGRESS
        try:
            run = version.timeout.run / 1000
            answer = await self._ask.one(version.key, question, patience=self._patience, timeout=run)
            await self._tell(answer, kept.told.result)
            with suppress(StorageFailed):  # when a model was last used is not worth an answer
                await self._models.touch(version.key.model, now())
        except asyncio.CancelledError:
            self._over(kept, pb.CANCELED)
            raise
        except Exception as error:  # noqa: BLE001 - said to whoever asks
            self._fail(kept, error)
        else:
            self._over(kept, pb.COMPLETE)

    async def _tell(self, answer: Answer, result: pb.InferenceResult) -> None:
        """Raises Invalid, Unsupported, ModelFailed, TooLarge."""
        if answer.error is not None:
            raise _REFUSED.get(answer.fault, ModelFailed)(answer.error)
        if (size := sum(size_of(output.body) for output in answer.outputs.values())) > self._most:
            raise TooLarge(f"the outputs have {size} bytes, and a message may have {self._most}: submit a job instead")
        for name, output in answer.outputs.items():
            told = result.outputs[name]
            told.data, told.content_type = await whole(output.body, self._blobs), output.media_type

    def _fail(self, kept: Kept, error: Exception) -> None:
        kept.error = error
        said = kept.told.result.outputs[ERROR]
        said.data, said.content_type = said_plainly(error).message.encode(), "text/plain"
        self._over(kept, pb.FAILED)

    def _over(self, kept: Kept, status: pb.InferenceStatus) -> None:
        told = kept.told
        told.status = status
        told.completed_at.GetCurrentTime()
        told.elapsed_time.FromTimedelta(told.completed_at.ToDatetime() - told.submitted_at.ToDatetime())
        self.kept.end(kept)


def _told(request: pb.InferenceRequest) -> pb.Inference:
    told = pb.Inference(
        identifier=f"inference-{new_id()}",
        model=request.model,
        inputs=[_redacted(source) for source in request.inputs],
        tags=request.tags,
        explain=request.explain,
        status=pb.QUEUED,
    )
    told.submitted_at.GetCurrentTime()
    return told


def _redacted(source: pb.InputSource) -> pb.RedactedInputSource:
    """What came, without its content and without the keys to it."""
    info, found = pb.RedactedInputSource.EmbeddedContentInfo, pb.RedactedInputSource(key=source.key)
    match source.WhichOneof("source"):
        case "text":
            raw = source.text.encode()
            found.text.CopyFrom(info(size_in_bytes=len(raw), sha256_digest=sha256(raw).hexdigest()))
        case "data":
            found.data.CopyFrom(info(size_in_bytes=len(source.data), sha256_digest=sha256(source.data).hexdigest()))
    return found


def _named(model: ModelIdentifier) -> str:
    """Raises Invalid."""
    if name := model.identifier or model.name:
        return name
    raise Invalid("`model` should have an `identifier`, like ed542963de, or a `name`")


def _bodies(request: pb.InferenceRequest) -> Mapping[str, bytes]:
    """Raises Invalid, Unsupported."""
    bodies: dict[str, bytes] = {}
    for source in request.inputs:
        if source.key in bodies:
            raise Invalid(f"the input {source.key!r} comes twice: an inference takes each of its model's inputs once")
        match source.WhichOneof("source"):
            case "text":
                bodies[source.key] = source.text.encode()
            case "data":
                bodies[source.key] = source.data
            case None:
                raise Invalid(f"the input {source.key!r} has no content: set its `text` or its `data`")
            case kind:
                raise Unsupported(f"inputs from {kind} are not fetched by this server yet: send `text` or `data`")
    return bodies
