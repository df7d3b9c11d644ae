"""What REST says, as the messages of the edge API, and errors as its clients show them."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec
from google.protobuf import json_format
from google.protobuf.message import Message

from headrace.api.grpc import status
from headrace.api.grpc.calls import Call, Unary
from headrace.api.grpc.status import Status
from headrace.api.grpc.typed import typed
from headrace.domain.errors import HeadraceError
from headrace.domain.job import JobState

M = TypeVar("M", bound=Message)

LARGEST = 0xFFFFFFFF  # of the numbers in these messages: larger ones are told as this one

# Clients wait for exactly these words (contracts/modzy.md, D.1); where it is a number, CANCELED is written with one L.
_WORDS: Mapping[str, str] = {
    JobState.COMPLETED: "COMPLETE",
    JobState.CANCELED: "CANCELLED",
    JobState.TIMEDOUT: "FAILED",
}
_STATES = {word.casefold(): state.lower() for state, word in _WORDS.items()}


def state_word(state: str) -> str:
    """A job's state as the text that clients compare."""
    return _WORDS.get(state, state)


def state_number(state: str) -> str:
    """The same by the name of its number in JobStatus."""
    return state if state == JobState.CANCELED else state_word(state)


def state_asked(word: str) -> str | None:
    """The way back, for lists of jobs. Empty: any."""
    return _STATES.get(word.casefold(), word) or None


def filled(said: Any, message: M, **instead: Any) -> M:
    """`said` in a message whose JSON has the same names, a few of them as told by `instead`.

    What the message has no field for is left out.
    """
    named = msgspec.json.decode(msgspec.json.encode(said)) | instead
    json_format.ParseDict(_fitting(named), message, ignore_unknown_fields=True)
    return message


def _fitting(value: Any) -> Any:
    match value:
        case bool():
            return value
        case int():
            return min(value, LARGEST)
        case dict():
            return {key: _fitting(one) for key, one in value.items()}
        case list():
            return [_fitting(one) for one in value]
        case _:
            return value


def spoken(kind: type[M], act: Callable[[Call, M], Awaitable[Message]]) -> Unary:
    """As `typed`, with errors that survive the clients."""
    unary = typed(kind, act)

    async def plain(call: Call, raw: bytes) -> bytes:
        try:
            return await unary(call, raw)
        except (HeadraceError, Status) as error:
            raise said_plainly(error) from None

    return plain


def said_plainly(error: Exception) -> Status:
    """Clients show the first line only, up to its first equals sign, and without its quotes."""
    found = status.of(error)
    message = re.sub(r"\s+", " ", found.message).replace("=", ":").replace('"', "'")
    return Status(found.code, message, found.more)
