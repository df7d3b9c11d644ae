"""What a dialect needs to answer requests whose form its model does not read: somebody translates, both ways."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from headrace.dialects.dialect import Told
from headrace.dialects.media import media_type
from headrace.domain.body import INLINE, BodyStore, whole
from headrace.domain.question import Answer, Fault, Form, Output, Question
from headrace.domain.tensor import TensorModel

LONGEST_ERROR = 4_000  # characters
LARGE = 64 * 1024  # bytes that are worth a thread
T = TypeVar("T")

Rows = Sequence[Mapping[str, bytes]]


class Refused(Exception):
    """The request breaks a rule of its form; or the answer cannot be written in it."""

    def __init__(self, sentence: str, fault: Fault = Fault.REQUEST) -> None:
        super().__init__(sentence)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Encoded:
    """Named bodies in the form of the question, and what the door is to know of them."""

    bodies: Mapping[str, bytes]
    media_type: str
    meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RestBody:
    """An inference request or answer of the Open Inference Protocol over HTTP. `json`: bytes of it, -1: all."""

    body: bytes
    json: int = -1


class AsFiles(Protocol):
    """A request read by a model of files: each element of its BYTES tensors is one input of the model."""

    @property
    def rows(self) -> Rows: ...

    def answer(self, results: Rows) -> Encoded:
        """Raises Refused."""
        ...


class AsTensors(Protocol):
    """A request, of whatever form, for a model that reads the Open Inference Protocol over HTTP."""

    @property
    def request(self) -> RestBody: ...

    def answer(self, said: RestBody) -> Encoded:
        """Raises Refused."""
        ...


@dataclass(frozen=True, slots=True)
class Listener:
    """A model that reads the Open Inference Protocol over HTTP, and how it takes bytes that are no text."""

    name: str
    version: str
    tensors: TensorModel
    binary: bool = False  # it knows the binary extension
    base64: bool = False  # all bytes travel as base64 in strings, both ways


class Translator(Protocol):
    def as_files(self, form: Form, body: bytes, meta: Mapping[str, str], told: Told) -> AsFiles:
        """Raises Refused."""
        ...

    def as_tensors(
        self, form: Form, bodies: Mapping[str, bytes], meta: Mapping[str, str], listener: Listener
    ) -> AsTensors:
        """Raises Refused."""
        ...


async def aside(work: Callable[[], T], size: int) -> T:
    """A translation of so many bytes: in a thread where it would keep the loop from others for too long."""
    return work() if size <= LARGE else await asyncio.to_thread(work)


async def in_memory(question: Question, store: BodyStore) -> dict[str, bytes]:
    return {name: await whole(body, store) for name, body in question.inputs.items()}


def size_of_rows(rows: Rows) -> int:
    return sum(len(body) for row in rows for body in row.values())


async def stored(name: str, body: bytes, store: BodyStore) -> Output:
    """An output that came in one piece."""
    media = media_type(name, body)
    if len(body) <= INLINE:
        return Output(body, media)

    async def once() -> AsyncIterator[bytes]:
        yield body

    return Output(await store.put(once(), len(body)), media)


@dataclass(frozen=True, slots=True)
class Times:
    """When a question was worked on."""

    started: int
    ended: int
    latency: float

    def answer(self, encoded: Encoded) -> Answer:
        outputs = {name: Output(body, encoded.media_type) for name, body in encoded.bodies.items()}
        return Answer(self.started, self.ended, self.latency, outputs, meta=encoded.meta)

    def error(self, sentence: str, fault: Fault = Fault.MODEL, meta: Mapping[str, str] | None = None) -> Answer:
        return Answer(
            self.started, self.ended, self.latency, error=sentence[:LONGEST_ERROR], fault=fault, meta=meta or {}
        )
