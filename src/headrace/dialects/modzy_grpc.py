"""The second contract of model containers: gRPC ModzyModel with Status, Run in batches, Shutdown (type: grpc).

As the public templates do it: Status loads the model and describes it; answers come in the order of the inputs; an item
with `success` false, or with a key `error` whatever `success` says, has failed; too few answers are no answers.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from headrace.dialects import said_amounts
from headrace.dialects.dialect import ReplicaInfo, Told
from headrace.dialects.forms import AsFiles, Refused, Times, aside, in_memory, size_of_rows, stored
from headrace.dialects.modzy_http import Ways
from headrace.dialects.proto import modzy_model_pb2 as proto
from headrace.dialects.relay import Relay
from headrace.dialects.wire import Gone, Late
from headrace.domain.clock import now
from headrace.domain.errors import LimitReached, ModelFailed, ReplicaLost, Unsupported
from headrace.domain.image import Claims, Contract
from headrace.domain.question import Answer, Form, Question
from headrace.domain.reach import Reach

OK = 200
MESSAGE = 250 << 20  # bytes: what the templates allow both ways
SLACK = 1 << 20
LARGEST_BATCH = 200 << 20  # bytes of inputs in one message
MOST_BATCHED = 10_000
RECONNECT = 50  # milliseconds
ERROR = "error"
MISSING = (
    "images of this kind are spoken to by way of grpcio, which is not installed: pip install 'headrace[containers]'"
)

Files = Mapping[str, bytes]


class _Failed(Exception):
    """The call has no answer; the model goes on."""


class ModzyGrpc:
    def __init__(self, reach: Reach, port: int, told: Told, ways: Ways) -> None:
        self._relay = Relay(lambda: reach.connect(port))
        self._port, self._told, self._ways = port, told, ways
        self._grpc: Any = None
        self._channel: Any = None
        self._batch, self._drift = 1, False

    async def ready(self, timeout: float) -> ReplicaInfo:
        until = asyncio.get_running_loop().time() + timeout
        await self._open()
        try:
            status = await self._call("Status", proto.StatusRequest(), proto.StatusResponse, until)
        except Late:
            raise LimitReached(f"the model was not ready within {timeout:g} s (timeout.status)") from None
        except Gone:
            raise ModelFailed("the model closed its connection while it was being loaded") from None
        except _Failed as error:
            raise ModelFailed(f"the model could not be loaded: {error}") from None
        if status.status_code != OK:
            raise ModelFailed(f"the model could not be loaded: {_said(status)}")
        self._batch = max(1, min(MOST_BATCHED, status.features.batch_size))
        self._drift = bool(status.features.drift_format)
        return ReplicaInfo(
            batch_size=self._batch,
            inputs=tuple(one.filename for one in status.inputs),
            outputs=tuple(one.filename for one in status.outputs),
            claims=_claims(status),
            contract=Contract.MODZY_GRPC,
            port=self._port,
        )

    async def _open(self) -> None:
        """Grpcio is an extra, and large: it is loaded in a thread, when the first such model starts."""
        try:
            await asyncio.to_thread(importlib.import_module, "grpc.aio")
        except ImportError as error:
            raise Unsupported(MISSING) from error
        self._grpc = importlib.import_module("grpc")
        most = max(MESSAGE, self._ways.most) + SLACK
        options = (
            ("grpc.max_receive_message_length", most),
            ("grpc.max_send_message_length", -1),
            ("grpc.default_authority", "model"),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
            ("grpc.initial_reconnect_backoff_ms", RECONNECT),
            ("grpc.min_reconnect_backoff_ms", RECONNECT),
            ("grpc.max_reconnect_backoff_ms", 4 * RECONNECT),
        )
        self._channel = self._grpc.aio.insecure_channel(f"unix-abstract:{await self._relay.open()}", options)

    async def run(self, questions: Sequence[Question], timeout: float) -> AsyncIterator[Answer]:
        """`timeout` is for each message: the model works on a whole batch at once."""
        done = 0
        while done < len(questions):
            batch = await self._next(questions[done:])
            try:
                answers = await self._answers(batch, timeout)
            except Late:
                late = f"the model did not answer within {timeout:g} s (timeout.run)"
                raise LimitReached(late, suspect=done, together=len(batch)) from None
            except Gone:
                sentence = "the model closed its connection before it had answered"
                raise ReplicaLost(sentence, suspect=done, together=len(batch)) from None
            for answer in answers:
                yield answer
            done += len(batch)

    async def _next(self, questions: Sequence[Question]) -> "list[_Asked]":
        """As many of the next questions as the model takes at once, all alike."""
        batch: list[_Asked] = []
        size = 0
        for question in questions[: self._batch]:
            asked = await _Asked.read(question, self._ways, self._told)
            size += asked.size
            if batch and (size > LARGEST_BATCH or asked.question.explain != batch[0].question.explain):
                break
            batch.append(asked)
        return batch

    async def _answers(self, batch: "Sequence[_Asked]", timeout: float) -> list[Answer]:
        """A batch that fails as a whole is asked again one by one: the fault may be one input's."""
        started, since = now(), monotonic()
        until = asyncio.get_running_loop().time() + timeout * len(batch)
        rows = [row for asked in batch for row in asked.rows]
        try:
            items = await self._ran(rows, until, explain=batch[0].question.explain) if rows else []
        except _Failed as error:
            if len(batch) > 1:
                return [one for asked in batch for one in await self._answers([asked], timeout)]
            return [_times(started, since, 1).error(str(error))]
        times, found, taken = _times(started, since, len(batch)), [], 0
        for asked in batch:
            mine = items[taken : taken + len(asked.rows)]
            taken += len(asked.rows)
            found.append(await asked.answer(mine, times))
        return found

    async def _ran(self, rows: Sequence[Files], until: float, *, explain: bool) -> "list[Files | str]":
        """For each row its outputs, or what is wrong with it. Raises _Failed, Late, Gone."""
        request = proto.RunRequest(
            inputs=[proto.InputItem(input=row) for row in rows], detect_drift=self._drift, explain=explain
        )
        said = await self._call("Run", request, proto.RunResponse, until)
        if said.status_code not in (0, OK):
            raise _Failed(_said(said))
        if len(said.outputs) != len(rows):
            raise _Failed(f"the model gave {len(said.outputs)} answers to {len(rows)} inputs")
        return [_outputs(item, self._told.outputs) for item in said.outputs]

    async def _call(self, name: str, request: Any, answer: Any, until: float) -> Any:
        call = self._channel.unary_unary(
            f"/ModzyModel/{name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        left = max(0.001, until - asyncio.get_running_loop().time())
        codes = self._grpc.StatusCode
        try:
            return await call(request, timeout=left, wait_for_ready=name == "Status")
        except self._grpc.aio.AioRpcError as error:
            code, details = error.code(), (error.details() or "").strip()
        if code is codes.DEADLINE_EXCEEDED:
            raise Late
        if code in (codes.UNAVAILABLE, codes.CANCELLED):
            raise Gone
        if code is codes.RESOURCE_EXHAUSTED:
            raise _Failed(f"its outputs are larger than the limit of {max(MESSAGE, self._ways.most)} bytes: {details}")
        raise _Failed(details.removeprefix("Exception calling application: ") or f"gRPC status {code.name}")

    async def leave(self, timeout: float) -> None:
        """The template's Shutdown only drops the model, chassis' ends the process: what does not end is ended."""
        if self._channel is not None:
            with suppress(Late, Gone, _Failed):
                until = asyncio.get_running_loop().time() + timeout
                await self._call("Shutdown", proto.ShutdownRequest(), proto.ShutdownResponse, until)

    async def part(self) -> None:
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close()

    def close(self) -> None:
        self._relay.close()


class _Asked:
    """One question as rows of files: one row, unless it is a request with several elements."""

    def __init__(self, question: Question, ways: Ways, rows: Sequence[Files], request: AsFiles | None) -> None:
        self.question, self._ways, self.rows, self._request = question, ways, rows, request
        self.refused: Refused | None = None

    @classmethod
    async def read(cls, question: Question, ways: Ways, told: Told) -> "_Asked":
        bodies = await in_memory(question, ways.store)
        if question.form is Form.FILES:
            return cls(question, ways, [bodies], None)
        try:
            body, translate = bodies[""], ways.translator.as_files
            request = await aside(lambda: translate(question.form, body, question.meta, told), len(body))
        except Refused as error:
            asked = cls(question, ways, [], None)
            asked.refused = error
            return asked
        return cls(question, ways, request.rows, request)

    @property
    def size(self) -> int:
        return size_of_rows(self.rows)

    async def answer(self, items: "Sequence[Files | str]", times: Times) -> Answer:
        if self.refused is not None:
            return times.error(str(self.refused), self.refused.fault)
        for item in items:
            if isinstance(item, str):
                return times.error(item)
        results = [item for item in items if not isinstance(item, str)]
        size = size_of_rows(results)
        if size > self._ways.most:
            return times.error(f"its outputs are {size} bytes together, the limit is {self._ways.most} bytes")
        request = self._request
        if request is None:
            outputs = {name: await stored(name, body, self._ways.store) for name, body in results[0].items()}
            return Answer(times.started, times.ended, times.latency, outputs)
        try:
            return times.answer(await aside(lambda: request.answer(results), size))
        except Refused as error:
            return times.error(str(error), error.fault)


def _outputs(item: Any, wanted: Sequence[str]) -> "Files | str":
    found = dict(item.output)
    if ERROR in found or not item.success:
        text = found.get(ERROR, b"").decode(errors="replace").strip()
        return text or "the model says that it has failed, and not why"
    if missing := [name for name in wanted if name not in found]:
        return f"the model did not give its output {', '.join(missing)}"
    return found or "the model gave no output"


def _claims(status: Any) -> Claims:
    return Claims(
        description=status.description.details,
        inputs=tuple(
            (one.filename, ",".join(one.accepted_media_types), said_amounts.size(one.max_size), one.description)
            for one in status.inputs
        ),
        outputs=tuple(
            (one.filename, one.media_type, said_amounts.size(one.max_size), one.description) for one in status.outputs
        ),
        status_timeout=said_amounts.millis(status.timeout.status),
        run_timeout=said_amounts.millis(status.timeout.run),
    )


def _said(answer: Any) -> str:
    return answer.message or answer.status or f"status code {answer.status_code}"


def _times(started: int, since: float, count: int) -> Times:
    """As elsewhere, each of a batch has its share of the time."""
    return Times(started, now(), (monotonic() - since) * 1000 / count)
