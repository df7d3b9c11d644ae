"""Small messages: read before a handler is called, written after it. Calls with tensors do not come through here."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from headrace.api.grpc.calls import Call, Unary
from headrace.domain.errors import Invalid

M = TypeVar("M", bound=Message)
Act = Callable[[Call, M], Awaitable[Message]]


def typed(kind: type[M], act: Act[M]) -> Unary:
    async def unary(call: Call, raw: bytes) -> bytes:
        return (await act(call, parsed(kind, raw))).SerializeToString()

    return unary


def parsed(kind: type[M], raw: bytes) -> M:
    """Raises Invalid."""
    try:
        return kind.FromString(raw)
    except DecodeError:
        raise Invalid(f"the message is not a {kind.DESCRIPTOR.name}: its bytes cannot be read") from None


def written(shape: Any, message: M) -> M:
    """What REST would say, as the message of the same names. Fields that only REST has are left out."""
    json_format.ParseDict(msgspec.to_builtins(shape), message, ignore_unknown_fields=True)
    return message
