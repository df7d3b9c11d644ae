"""Questions of a model to other models (BLS of Triton's Python backend): a connection of their own beside the frames.

frame = as in framing.py
CALL   ← {id, model, version, json, stream, timeout, sequence, start, end}, and the body of an inference request with
         binary tensors, `json` bytes of it JSON; `timeout` in microseconds, 0: none of its own; or {id, model, version,
         about}: whether there is such a model, and what its tensors are
LEAVE  ← {id}: nobody wants the rest
TELL   ← {}, and JSON of what the model measures by itself: a list of series (measures.py)
RESULT → {id, error or null, status, absent, json, more}, and the body of the answer; the last one without `more`

A model may ask while it is asked itself, as long as that may take; about others at any time. Nothing that comes from it
is to be trusted: whoever sends anything else loses this connection, and answers go on.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import msgspec

from headrace.dialects.framing import HEAD, Garbage, frame_start
from headrace.dialects.measures import LARGEST, Series, read
from headrace.domain.ids import VersionKey
from headrace.domain.question import Form, Question

CALL, LEAVE, RESULT, TELL = range(16, 20)
AT_ONCE = 64  # calls of one replica
TO_LOOK = 10.0  # seconds in which it is known what a model is
LONGEST_HEADER = 16 * 1024  # bytes
NOT_ASKED = "a model may ask other models only while it answers a question itself"
NOT_TAKEN = "this server takes no calls of models to other models now"
TOO_MANY = f"this model waits for {AT_ONCE} answers of other models already"

_Text = Annotated[str, msgspec.Meta(max_length=256)]
_Size = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]


class Asked(msgspec.Struct, frozen=True):
    id: _Size = 0
    model: _Text = ""
    version: _Text = ""
    json: _Size = 0
    stream: bool = False
    timeout: _Size = 0
    sequence: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)] | _Text = 0
    start: bool = False
    end: bool = False
    about: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """One answer, or why there is none. `status`: of HTTP, for the error. `absent`: there is no such model."""

    body: bytes = b""
    json: int = -1  # bytes of it that are JSON; -1: all
    error: str | None = None
    status: int = 500
    absent: bool = False
    more: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """What a model asks of another one. `seconds`: as long as it may take."""

    caller: VersionKey
    asked: Asked
    question: Question
    seconds: float


class Reply(Protocol):
    async def say(self, result: Result) -> None:
        """Waits while the model reads slowly. Nothing happens when it is gone."""
        ...


class Exchange(Protocol):
    def call(self, call: Call, reply: Reply) -> Callable[[], object] | None:
        """Starts it, and returns how to stop it; None: no calls are taken now.

        Exactly one result without `more` is said, unless it is stopped. Nothing is said before this returns.
        """
        ...

    def told(self, caller: VersionKey, teller: object, series: Sequence[Series]) -> None:
        """What a replica of the caller measures by itself. `teller` stands for that replica."""
        ...

    def gone(self, teller: object) -> None:
        """It tells nothing any more."""
        ...


class Calls(asyncio.Protocol):
    """The server's end. `left`: seconds that the question may take which the replica answers now; None: it has none."""

    def __init__(
        self, caller: VersionKey, exchange: Exchange | None, most: int, left: Callable[[], float | None]
    ) -> None:
        self._caller, self._exchange, self._most, self._left = caller, exchange, most, left
        self._ours, self.theirs = socket.socketpair()
        self._ours.settimeout(0)
        self._transport: asyncio.Transport | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._data = bytearray()
        self._running: dict[int, Callable[[], object]] = {}

    async def open(self) -> None:
        """The replica has its end."""
        self.theirs.close()
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=self._ours)

    def close(self) -> None:
        self._stop()
        if self._exchange is not None:
            self._exchange.gone(self)
        if self._transport is None:
            self._ours.close()
        else:
            self._transport.abort()  # it closes our end
        self.theirs.close()

    # what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment] # it reads and writes

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - its place in the protocol
        self._stop()

    def pause_writing(self) -> None:
        """Nothing more is heard either: a refusal is written at once, however slowly the model reads."""
        self._room.clear()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._room.set()
        if self._transport is not None:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._data += data
        try:
            while (frame := self._frame()) is not None:
                kind, asked, body = frame
                if kind == TELL:
                    self._told(body)
                else:
                    self._take(kind, asked, body)
        except (Garbage, msgspec.DecodeError, UnicodeDecodeError):
            self.close()

    # frames

    def _frame(self) -> tuple[int, Asked, bytes] | None:
        """The next one that is whole. Raises Garbage, and what the JSON is not."""
        if len(self._data) < HEAD.size:
            return None
        kind, length, size = HEAD.unpack_from(self._data)
        if kind not in (CALL, LEAVE, TELL) or length > LONGEST_HEADER or size > self._most:
            raise Garbage("what it wrote there is not a call")
        start, end = HEAD.size + length, HEAD.size + length + size
        if len(self._data) < end:
            return None
        asked = _asked.decode(self._data[HEAD.size : start])
        body = bytes(self._data[start:end])
        del self._data[:end]
        return kind, asked, body

    def _take(self, kind: int, asked: Asked, body: bytes) -> None:
        if kind == LEAVE:
            if (stop := self._running.pop(asked.id, None)) is not None:
                stop()
            return
        if asked.id in self._running:
            raise Garbage("two calls have the same number")
        left = TO_LOOK if asked.about else self._left()
        if left is None or len(self._running) >= AT_ONCE:
            self._write(asked.id, Result(error=NOT_ASKED if left is None else TOO_MANY))
            return
        seconds = min(left, asked.timeout / 1e6) if asked.timeout else left
        meta = {"json": str(asked.json), "model": asked.model}
        call = Call(self._caller, asked, Question({"": body}, Form.V2_REST, meta=meta), seconds)
        stop = None if self._exchange is None else self._exchange.call(call, _Said(self, asked.id))
        if stop is None:
            self._write(asked.id, Result(error=NOT_TAKEN))
        else:
            self._running[asked.id] = stop

    def _told(self, body: bytes) -> None:
        if len(body) > LARGEST:
            raise Garbage("it tells too much at once")
        if self._exchange is not None:
            self._exchange.told(self._caller, self, read(body))

    async def say(self, number: int, result: Result) -> None:
        await self._room.wait()
        if number in self._running:
            if not result.more:
                del self._running[number]
            self._write(number, result)

    def _write(self, number: int, result: Result) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        header = {
            "id": number, "error": result.error, "status": result.status, "absent": result.absent, "json": result.json,
            "more": result.more,
        }  # fmt: skip
        self._transport.write(frame_start(RESULT, header, len(result.body)) + result.body)

    def _stop(self) -> None:
        running, self._running = self._running, {}
        for stop in running.values():
            stop()
        self._room.set()


@dataclass(frozen=True, slots=True)
class _Said:
    calls: Calls
    number: int

    async def say(self, result: Result) -> None:
        await self.calls.say(self.number, result)


_asked = msgspec.json.Decoder(Asked)
