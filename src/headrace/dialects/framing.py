"""The shape of our frames, and the checks on those that come from a model: nothing in them is to be trusted.

frame = kind (1 byte) · length of the header (4) · length of the bodies (8) · header (JSON) · bodies, back to back
LOAD    → {output: most bytes of one answer, model, version, inputs, outputs: their names}; with it travel the
          descriptors of the progress cell (cell.py), of the lane (lane.py) and of the calls (calls.py)
READY   ← {batch_size, inputs, outputs, tensors or null}         FAILED ← {error, trace}
ASK     → [[explain, [[name, size], …]], …]     one entry for each question; with a form other than files it is
          [form, size, meta], or [form, size, meta, number] where the body does not follow, but lies in memory of that
          number, which the replica shares (slots.py)
FORGET  → [number, …]     of memory that will not be named again
ANSWERS ← [[started, ended, latency, error or null, [[name, size], …]], …]     in order, any number in one frame;
          a size alone stands for one body without a name, in a form other than files; optional fields after these:
          fault, meta, more: further answers to the same question follow
"""

import struct
from typing import Annotated

import msgspec

from headrace.dialects.wire import Deadline, Wire
from headrace.domain.question import Fault
from headrace.domain.tensor import TensorModel

HEAD = struct.Struct(">BIQ")
LOAD, ASK, READY, FAILED, ANSWERS, FORGET = range(1, 7)
LONGEST_HEADER = 8 << 20  # bytes
MOST_OUTPUTS = 1_000  # of one answer
LONGEST_META = 1_000  # characters of one value

_Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
_Named = tuple[Annotated[str, msgspec.Meta(max_length=255)], _Count]
_Meta = dict[Annotated[str, msgspec.Meta(max_length=40)], Annotated[str, msgspec.Meta(max_length=LONGEST_META)]]


class Garbage(Exception):
    """What arrived is not a frame, or not one that belongs here."""


class Ready(msgspec.Struct, frozen=True):
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    tensors: TensorModel | None = None


class Failed(msgspec.Struct, frozen=True):
    error: str
    trace: str = ""


class AnswerHead(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Milliseconds since 1970, milliseconds inside the model, and the sizes of the bodies that follow.

    An answer in a form of one body has it under the name "", or tells its size alone.
    """

    started: _Count
    ended: _Count
    latency: Annotated[float, msgspec.Meta(ge=0)]
    error: str | None
    outputs: _Count | Annotated[list[_Named], msgspec.Meta(max_length=MOST_OUTPUTS)]
    fault: Fault = Fault.MODEL
    meta: _Meta = {}
    more: bool = False

    @property
    def named(self) -> list[_Named]:
        outputs = self.outputs
        return outputs if isinstance(outputs, list) else [("", outputs)]

    @property
    def size(self) -> int:
        outputs = self.outputs
        return sum([size for _, size in outputs]) if isinstance(outputs, list) else outputs


_heads = msgspec.json.Decoder(list[AnswerHead])
_ready = msgspec.json.Decoder(Ready)
_failed = msgspec.json.Decoder(Failed)


def frame_start(kind: int, header: object, bodies: int = 0) -> bytes:
    text = msgspec.json.encode(header)
    return HEAD.pack(kind, len(text), bodies) + text


async def read_start(wire: Wire, deadline: Deadline) -> tuple[int, bytes, int]:
    """Kind, header, and length of the bodies of the next frame. Raises Late, Gone, Garbage."""
    await wire.need(HEAD.size, deadline)
    kind, length, bodies = HEAD.unpack(wire.take(HEAD.size))
    if kind not in (READY, FAILED, ANSWERS) or length > LONGEST_HEADER:
        raise Garbage("what it wrote there is not an answer")
    header = bytearray()
    while len(header) < length:
        await wire.need(1, deadline)
        header += wire.take(length - len(header))
    return kind, bytes(header), bodies


def parse_loaded(kind: int, header: bytes) -> Ready | Failed:
    try:
        if kind == READY:
            return _ready.decode(header)
        if kind == FAILED:
            return _failed.decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Garbage(f"what it wrote there is not an answer ({error})") from None
    raise Garbage("it wrote an answer there before it was asked")


def parse_answers(kind: int, header: bytes, bodies: int, at_most: int) -> list[AnswerHead]:
    try:
        heads = _heads.decode(header) if kind == ANSWERS else []
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Garbage(f"what it wrote there is not an answer ({error})") from None
    last = 0
    for head in heads:
        outputs = head.outputs
        bodies -= outputs if type(outputs) is int else head.size
        last += not head.more
        if head.error is not None and outputs != []:
            raise Garbage("what it wrote there contradicts itself")
    if not heads or last > at_most:
        raise Garbage(f"it wrote {last} answers there to {at_most} questions")
    if bodies:
        raise Garbage("what it wrote there contradicts itself")
    return heads
