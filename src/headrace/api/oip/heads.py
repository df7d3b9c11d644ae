"""Heads of inference requests that came before: the same bytes mean the same again, and are not parsed once more.

Clients that keep a connection open send the same head with every request, but for those headers that are new each time.
A head is remembered once a request behind it was answered, and only when its body has a length and came as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.api.callers import Caller
from headrace.api.oip.permits import Permit

KEPT = 1_024  # heads
LONGEST = 2_048  # bytes
END = b"\r\n\r\n"
_NEW_EACH_TIME = (b"x-request-id", b"traceparent", b"expect", b"transfer-encoding", b"content-encoding")


@dataclass(slots=True)
class Head:
    """Nothing of it changes but `permit`."""

    data: bytes  # as it came
    path: str  # for the access log
    name: str
    version: str | None
    caller: Caller
    headers: Mapping[bytes, bytes]
    meta: Mapping[str, str]
    length: int  # of the body
    json_length: int | None  # of the JSON in it; None: all of it
    accepts_packed: bool
    permit: Permit | None = None  # of the request before, which may have ended


class Heads:
    """Of all connections of the door."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Head] = {}

    def find(self, data: bytes) -> Head | None:
        """The head with which `data` begins, if it is known."""
        return self._kept.get(data[: data.find(END) + len(END)])

    def keep(self, head: Head) -> None:
        if len(self._kept) >= KEPT:
            self._kept.clear()
        self._kept[head.data] = head


def head_of(data: bytes) -> bytes | None:
    """The head with which `data` begins, when it is there, and not too long to be remembered."""
    end = data.find(END) + len(END)
    return data[:end] if len(END) <= end <= LONGEST and data.startswith(b"POST ") else None


def worth_keeping(headers: Mapping[bytes, bytes]) -> bool:
    return not any(name in headers for name in _NEW_EACH_TIME)
