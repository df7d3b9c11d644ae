"""The few fields of a ModelInferRequest that the front reads. The tensors stay as they came."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from headrace.api.grpc import varint
from headrace.api.grpc.varint import Broken
from headrace.api.oip.proto.inference_pb2 import InferParameter, ModelInferRequest
from headrace.domain.errors import Invalid

MOST_FIELDS = 10_000  # top-level ones: names, parameters, and two for each tensor

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # kinds of fields on the wire
_NAME, _VERSION, _ID, _PARAMETERS, _RAW = 1, 2, 3, 4, 7  # fields of the request
KEPT, LONGEST_WORDS = 256, 2_048  # messages, and bytes of their words


@dataclass(slots=True)
class Asked:
    name: str = ""
    version: str = ""
    identifier: str = ""
    parameters: dict[str, InferParameter] = field(default_factory=dict)
    words: int = 0  # bytes before the content of its last field, when that is a tensor


class Scanner:
    """Remembers how messages begin: clients ask again and again in the same words, and only the last field is new.

    That field is the bytes of a tensor, and it ends with the message: so the same words before as many bytes mean the
    same. Messages with an id or with parameters are not remembered.
    """

    def __init__(self) -> None:
        self._kept: dict[int, tuple[bytes, Asked]] = {}  # by the length of the message

    def known(self, beginning: bytes, size: int) -> Asked | None:
        """What a message of `size` bytes asks that begins so, as far as that was asked before."""
        kept = self._kept.get(size)
        return kept[1] if kept is not None and beginning.startswith(kept[0]) else None

    def scan(self, message: bytes | memoryview) -> Asked:
        """As `scan`."""
        beginning = message if isinstance(message, bytes) else bytes(message[:LONGEST_WORDS])
        asked = self.known(beginning, len(message))
        if asked is not None:
            return asked
        asked = scan(message)
        if not asked.identifier and not asked.parameters and 0 < asked.words <= LONGEST_WORDS:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[len(message)] = (beginning[: asked.words], asked)
        return asked


def scan(message: bytes | memoryview) -> Asked:
    """Raises Invalid when it is no message at all."""
    asked, parameters = Asked(), b""
    try:
        for number, begin, at, end in _fields(message):
            if number == _NAME:
                asked.name = str(message[at:end], "utf-8")
            elif number == _VERSION:
                asked.version = str(message[at:end], "utf-8")
            elif number == _ID:
                asked.identifier = str(message[at:end], "utf-8")
            elif number == _PARAMETERS:
                parameters += message[begin:end]
            asked.words = at if number == _RAW and end == len(message) else 0
        if parameters:
            asked.parameters = dict(ModelInferRequest.FromString(parameters).parameters)
    except (IndexError, UnicodeDecodeError, DecodeError, Broken):
        raise Invalid("the message is not a ModelInferRequest: its bytes cannot be read") from None
    return asked


def has_raw(message: bytes) -> bool:
    """Whether its tensors are raw bytes, as all of Triton's clients send them. `message` was scanned before."""
    return any(number == _RAW for number, *_ in _fields(message))


def _fields(message: bytes | memoryview) -> Iterator[tuple[int, int, int, int]]:
    """Number, begin, begin of the content and end of each field with bytes in it. Raises IndexError, Broken."""
    at, size, left = 0, len(message), MOST_FIELDS
    while at < size:
        begin, left = at, left - 1
        tag, at = varint.read(message, at)
        if tag & 7 == _BYTES:
            length, at = varint.read(message, at)
            end = at + length
            if tag > _BYTES and end <= size and left:
                yield tag >> 3, begin, at, end
                at = end
                continue
        else:
            at = _after(message, at, tag & 7)
            if at <= size and left:
                continue
        raise Broken


def _after(message: bytes | memoryview, at: int, kind: int) -> int:
    """Where a field without bytes in it ends. No field of ours is such a one."""
    if kind == _VARINT:
        return varint.read(message, at)[1]
    if kind in {_EIGHT, _FOUR}:
        return at + (8 if kind == _EIGHT else 4)
    raise Broken
