"""Statuses of gRPC, and the one table from our errors to them."""

import logging
from collections.abc import Mapping, Sequence
from enum import IntEnum
from urllib.parse import quote

from headrace.domain import errors

log = logging.getLogger(__name__)

LONGEST = 4096  # bytes of a message; clients refuse headers beyond 8 KiB


class Code(IntEnum):
    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Status(Exception):
    """How a call ended, when not well. The call's handler raises it; every other error is translated to one.

    `more`: metadata behind it.
    """

    def __init__(self, code: Code, message: str, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(message)
        self.code, self.message, self.more = code, message, more


CODES: Mapping[type[errors.HeadraceError], Code] = {
    errors.TooLarge: Code.RESOURCE_EXHAUSTED,
    errors.Unsupported: Code.UNIMPLEMENTED,
    errors.Invalid: Code.INVALID_ARGUMENT,
    errors.Unauthenticated: Code.UNAUTHENTICATED,
    errors.QuotaExceeded: Code.RESOURCE_EXHAUSTED,
    errors.Forbidden: Code.PERMISSION_DENIED,
    errors.NotFound: Code.NOT_FOUND,
    errors.Conflict: Code.FAILED_PRECONDITION,
    errors.NotReady: Code.UNAVAILABLE,
    errors.Unavailable: Code.UNAVAILABLE,
    errors.StorageFailed: Code.UNAVAILABLE,
    errors.ModelFailed: Code.INTERNAL,
    errors.NotStarted: Code.UNAVAILABLE,
    errors.ReplicaLost: Code.UNAVAILABLE,
}


def of(error: Exception) -> Status:
    match error:
        case Status():
            return error
        case errors.HeadraceError():
            code = next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), Code.INTERNAL)
            return Status(code, error.message)
        case _:
            log.error("unexpected error in a call", exc_info=error)
            return Status(Code.INTERNAL, "something went wrong in the server; it was written to the server's log")


def as_header(message: str) -> bytes:
    """Percent-encoded as gRPC wants it: printable ASCII without '%' stays as it is."""
    raw = message.encode("utf-8", "replace")[:LONGEST].decode("utf-8", "ignore")
    return quote(raw, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~").encode()
