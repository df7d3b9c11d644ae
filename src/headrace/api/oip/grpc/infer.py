"""ModelInfer and ModelStreamInfer: the request goes to the replica as it came, and its answer is the answer."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from headrace.api.oip.grpc import status, varint
from headrace.api.oip.grpc.calls import Call, Exchange
from headrace.api.oip.grpc.proto.inference_pb2 import InferParameter, ModelInferResponse, ModelStreamInferResponse
from headrace.api.oip.grpc.scan import Asked, scan
from headrace.api.oip.grpc.status import Code, Status
from headrace.catalog.directory import Directory
from headrace.catalog.models import Models
from headrace.domain.body import BodyStore, whole
from headrace.domain.clock import now
from headrace.domain.errors import StorageFailed, Unavailable
from headrace.domain.question import Answer, Fault, Form, Question
from headrace.domain.version import Version
from headrace.inference.ask import Ask
from headrace.settings import OipSettings
from headrace.telemetry.trace import TRACEPARENT, checked_traceparent

AT_ONCE = 64  # requests of one stream

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
_FINAL = ModelInferResponse(
    parameters={"triton_final_response": InferParameter(bool_param=True)}
).SerializeToString()  # protobuf merges what stands behind each other
_RESPONSE = b"\x12"  # field 2 of a ModelStreamInferResponse


class Infer:
    def __init__(self, directory: Directory, models: Models, ask: Ask, blobs: BodyStore, settings: OipSettings) -> None:
        self._directory, self._models, self._ask, self._blobs = directory, models, ask, blobs
        self._patience = settings.patience

    async def unary(self, call: Call, message: bytes) -> bytes:
        return await self._one(call, scan(message), message)

    async def stream(self, call: Call, exchange: Exchange) -> None:
        """Answers go out as they come (contracts/oip.md, B3). Raises Status."""
        bare = call.metadata.get("mlserver-stream") == "true"
        strict = bare or call.metadata.get("triton_grpc_error") == "true"
        slots, why = asyncio.Semaphore(AT_ONCE), None

        async def answer(message: bytes) -> None:
            try:
                await exchange.send(await self._streamed(call, message, bare=bare, strict=strict))
            finally:
                slots.release()

        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await slots.acquire()
                    try:
                        message = await exchange.receive()
                    except Status as error:  # those that have begun are answered first
                        why = error
                        break
                    if message is None:
                        break
                    group.create_task(answer(message))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        if why is not None:
            raise why

    async def _streamed(self, call: Call, message: bytes, *, bare: bool, strict: bool) -> bytes:
        asked = Asked()
        try:
            asked = scan(message)
            found = await self._one(call, asked, message)
        except Exception as error:
            if strict:
                raise
            why = status.of(error)
            response = ModelInferResponse(id=asked.identifier)
            if why.code is Code.INTERNAL:
                response.model_name = asked.name
                response.parameters["triton_final_response"].bool_param = True
            return ModelStreamInferResponse(error_message=why.message, infer_response=response).SerializeToString()
        if bare:
            return found
        return _RESPONSE + varint.write(len(found) + len(_FINAL)) + found + _FINAL

    async def _one(self, call: Call, asked: Asked, message: bytes) -> bytes:
        """Raises Status, and as Directory.resolve and Ask.one do."""
        _, version = await self._directory.resolve(call.principal, asked.name, asked.version or None)
        limit = _limit(asked.parameters)
        question = Question({"": message}, Form.V2_GRPC, meta=_meta(call, asked))
        if limit is None:
            answer = await self._asked(version, question)
        else:
            try:
                async with asyncio.timeout(limit):
                    answer = await self._asked(version, question)
            except TimeoutError:
                raise Unavailable("Request timeout expired") from None
        with suppress(StorageFailed):  # when the model was last used is not worth an answer
            await self._models.touch(version.key.model, now())
        if answer.error is not None:
            raise _refusal(answer, answer.error)
        body = answer.outputs[""].body
        return body if isinstance(body, bytes) else await whole(body, self._blobs)

    async def _asked(self, version: Version, question: Question) -> Answer:
        run = version.timeout.run / 1000
        return await self._ask.one(version.key, question, patience=self._patience, timeout=run)


def _meta(call: Call, asked: Asked) -> dict[str, str]:
    meta = {"model": asked.name}  # as the caller calls it
    given = call.metadata.get("x-request-id")
    if given and not asked.identifier:
        meta["id"] = given
    if traceparent := checked_traceparent(call.metadata.get(TRACEPARENT)):
        meta[TRACEPARENT] = traceparent
    return meta


def _limit(parameters: Mapping[str, InferParameter]) -> float | None:
    """Seconds that the request itself allows: its parameter `timeout`, in microseconds."""
    given = parameters.get("timeout")
    if given is None:
        return None
    microseconds = given.int64_param or given.uint64_param
    return microseconds / 1e6 if microseconds > 0 else None


def _refusal(answer: Answer, said: str) -> Status:
    code = _FAULTS[answer.fault]
    if answer.fault is Fault.MODEL:
        code = _STATUSES.get(answer.meta.get("status", ""), code)
    return Status(code, said)
