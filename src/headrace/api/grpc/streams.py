"""The streams of one connection: those that are open, and what is remembered of those that were."""

from collections.abc import Iterator

from headrace.api.grpc.http2 import ConnectionFault, ErrorCode
from headrace.api.grpc.stream import Stream

REMEMBERED = 1_000  # streams that we ended while the peer was still sending


class Streams:
    def __init__(self) -> None:
        self.open: dict[int, Stream] = {}
        self.latest = 0  # the highest one that the peer opened
        self.final: int | None = None  # the last one that is still served, once that was settled
        self._abandoned: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self.open)

    def __iter__(self) -> Iterator[Stream]:
        """In a list of its own: they may be closed meanwhile."""
        return iter(list(self.open.values()))

    def silent_since(self) -> float | None:
        """Since when all that are open have waited for their peer; None while one does not."""
        touched = [stream.touched for stream in self.open.values() if stream.waits_for_peer]
        return max(touched) if len(touched) == len(self.open) else None

    def begins(self, number: int) -> bool:
        """False: one that we abandoned, and its peer does not know yet. Raises ConnectionFault."""
        if number <= self.latest:
            if number not in self._abandoned:
                raise ConnectionFault(ErrorCode.STREAM_CLOSED, f"headers for stream {number}, which is closed")
            return False
        if not number & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"a client opened stream {number}, an even number")
        self.latest = number
        return True

    def check_abandoned(self, number: int) -> None:
        """Where DATA comes for a stream that is not open. Raises ConnectionFault."""
        if not number or number > self.latest:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"DATA for stream {number}, which is not open")
        if number not in self._abandoned:
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, f"DATA for stream {number}, which is closed")

    def abandon(self, number: int) -> None:
        """Frames for it may still be on their way."""
        self._abandoned[number] = None
        if len(self._abandoned) > REMEMBERED:
            del self._abandoned[next(iter(self._abandoned))]
