"""Requests, answers and failures of inferences as CloudEvents 1.0, for the sink that telemetry.events names.

They wait in memory, bounded, and are sent one by one as structured JSON. Nothing here slows an inference down: what
finds no room is dropped and counted, and a sink that is away is asked again a few times while new ones wait.
"""

import asyncio
import base64
import logging
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from headrace.domain.body import Given, size_of
from headrace.domain.errors import HeadraceError
from headrace.domain.ids import VersionKey
from headrace.domain.question import Answer, Form, Question
from headrace.settings import TelemetrySettings
from headrace.telemetry.metrics import Family, Kind, Sample
from headrace.telemetry.trace import TRACEPARENT

MEDIA_TYPE = "application/cloudevents+json"
KIND = "io.headrace.inference."  # request, response, failure
LARGEST = 1 << 20  # bytes of a payload that travels; of larger ones only the size is told
SENDERS = 4  # events on their way at once
TRIES, PAUSE = 4, 0.5  # of one event; seconds before the second try, doubled each time
LAST = 3.0  # seconds for what still waits when the server stops
OVERHEAD = 500  # bytes of an event without its payload, about

_JSON, _OCTETS, _PROTOBUF = "application/json", "application/octet-stream", "application/x-protobuf"

Say = Callable[[Answer], None]

logger = logging.getLogger("headrace")


class Sink(Protocol):
    """Where events go."""

    async def post(self, body: bytes, media_type: str) -> None:
        """Raises HeadraceError when it was not taken."""
        ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class Waiting:
    """An event that is put together when its turn comes. `payload` None: too large, so that only `size` is told."""

    attributes: dict[str, object]
    payload: bytes | None
    media_type: str
    size: int

    @property
    def held(self) -> int:
        """Bytes of memory, about."""
        return OVERHEAD + len(self.payload or b"")

    def encoded(self) -> bytes:
        event = dict(self.attributes)
        if self.payload is None:
            return msgspec.json.encode({**event, "payloadsize": self.size})
        event["datacontenttype"] = self.media_type
        if self.media_type == _JSON and _is_json(self.payload):
            event["data"] = msgspec.Raw(self.payload)
        else:
            event["data_base64"] = base64.b64encode(self.payload).decode()
        return msgspec.json.encode(event)


class Events:
    """`source`: the server's name."""

    def __init__(self, sink: Sink, settings: TelemetrySettings, source: str) -> None:
        self._sink, self._source = sink, source
        self._most, self._most_bytes = settings.events_queue, settings.events_bytes
        self._queue: deque[Waiting] = deque()
        self._size = 0
        self._some = asyncio.Event()
        self._away = False  # the sink does not take any
        self.sent = self.dropped = self.failed = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(self._send_all())

    async def close(self) -> None:
        """What still waits gets a moment. One that was on its way when `run` ended may come twice."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST):
                while self._queue:
                    await self._send(self._next(), tries=1)
        if self._queue:
            logger.warning("%d events of inferences were not sent", len(self._queue))
        await self._sink.close()

    @contextmanager
    def around(self, key: VersionKey, question: Question) -> Iterator[Say]:
        """Tells of the question, and of each answer that is said; of an error that passes through, too."""
        told = _Told(self, key, question, self._source)
        told.asked()
        try:
            yield told.answered
        except HeadraceError as error:
            told.failed(error.message)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            if not told.over:
                told.failed("its caller has gone")
            raise

    def add(self, event: Waiting) -> None:
        if len(self._queue) >= self._most or self._size + event.held > self._most_bytes:
            self.dropped += 1
            return
        self._queue.append(event)
        self._size += event.held
        self._some.set()

    async def families(self) -> Iterable[Family]:
        outcomes = (("sent", self.sent), ("dropped", self.dropped), ("failed", self.failed))
        return [
            Family("headrace_events_total", Kind.COUNTER, "CloudEvents of inferences, by what became of them",
                   [Sample(count, (("outcome", outcome),)) for outcome, count in outcomes]),
            Family("headrace_events_waiting", Kind.GAUGE, "CloudEvents that wait for the sink",
                   [Sample(len(self._queue))]),
        ]  # fmt: skip

    async def _send_all(self) -> None:
        while True:
            while not self._queue:
                self._some.clear()
                await self._some.wait()
            event = self._next()
            try:
                await self._send(event, tries=TRIES)
            except asyncio.CancelledError:  # the server stops: see close
                self._queue.appendleft(event)
                self._size += event.held
                raise

    def _next(self) -> Waiting:
        event = self._queue.popleft()
        self._size -= event.held
        return event

    async def _send(self, event: Waiting, tries: int) -> None:
        try:
            body = event.encoded()
        except Exception:  # one that cannot be told must not stop those that can
            logger.exception("an event of an inference")
            self.failed += 1
            return
        for number in range(tries):
            try:
                await self._sink.post(body, MEDIA_TYPE)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with a sink, no server stops because of it
                self._note(error)
                if number + 1 < tries:
                    await asyncio.sleep(PAUSE * 2**number)
                continue
            self.sent += 1
            if self._away:
                self._away = False
                logger.info("the sink of telemetry.events takes events again")
            return
        self.failed += 1

    def _note(self, error: Exception) -> None:
        if not self._away:
            self._away = True
            logger.warning("the sink of telemetry.events takes no events: %s", error)


class _Told:
    """One question. What belongs to it has one `exchange`."""

    def __init__(self, events: Events, key: VersionKey, question: Question, source: str) -> None:
        self._events, self._question, self._answers = events, question, 0
        self.over = False  # the last answer is there
        meta = question.meta
        self._exchange = str(uuid.uuid4())
        self._common: dict[str, object] = {
            "specversion": "1.0",
            "source": f"/{source}/models/{key.model}/versions/{key.version}",
            "subject": meta.get("model", key.model),
            "exchange": self._exchange,
        }
        if TRACEPARENT in meta:
            self._common["traceparent"] = meta[TRACEPARENT]

    def asked(self) -> None:
        question = self._question
        self._add("request", question.inputs.get(""), self._media_type(question.meta), question.meta.get("id"))

    def answered(self, answer: Answer) -> None:
        self.over = not answer.more
        if answer.error is not None:
            self.failed(answer.error)
        elif (output := answer.outputs.get("")) is not None:
            said = answer.meta.get("id") or self._question.meta.get("id")
            self._add("response", output.body, self._media_type(answer.meta), said)

    def failed(self, error: str) -> None:
        self._add("failure", msgspec.json.encode({"error": error}), _JSON, self._question.meta.get("id"))

    def _media_type(self, meta: object) -> str:
        if self._question.form is Form.V2_GRPC:
            return _PROTOBUF
        return _OCTETS if isinstance(meta, dict) and "json" in meta else _JSON

    def _add(self, kind: str, body: Given | None, media_type: str, request_id: str | None) -> None:
        number, self._answers = self._answers, self._answers + 1
        attributes = self._common | {
            "id": f"{self._exchange}.{number}",
            "type": KIND + kind,
            "time": datetime.now(UTC).isoformat(),
        }
        if request_id:
            attributes["requestid"] = request_id
        payload = body if isinstance(body, bytes) and len(body) <= LARGEST else None
        self._events.add(Waiting(attributes, payload, media_type, 0 if body is None else size_of(body)))


def _is_json(body: bytes) -> bool:
    try:
        body.decode()  # which msgspec does not look at
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
