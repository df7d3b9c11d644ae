"""How many frames of a connection cost us more than its peer: too many in a short time are a flood."""

from time import monotonic

from headrace.api.grpc.http2 import ConnectionFault, ErrorCode

FLOOD, FLOOD_TIME = 10_000, 10.0  # frames in so many seconds


class Strikes:
    def __init__(self) -> None:
        self.count, self._since = 0, monotonic()

    def add(self) -> None:
        """Raises ConnectionFault."""
        self.count += 1
        if self.count > FLOOD:
            now = monotonic()
            if now - self._since < FLOOD_TIME:
                raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that cost more than they bring")
            self.count, self._since = 0, now

    def pardon(self) -> None:
        """One of them, for a call that was answered."""
        self.count -= 1
