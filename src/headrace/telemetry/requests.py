"""Requests at a door by route, method and outcome: two additions for each, and a line in the access log if it is on."""

from collections.abc import Iterable, Sequence
from time import monotonic

from headrace.telemetry.log import AccessLog, Line
from headrace.telemetry.metrics import Family, Kind, Sample

MOST = 5_000  # different labels; a door tells routes, not paths, so this is never reached
OTHER = "other"

Peer = Sequence[object] | None  # address and port, as sockets tell them
Key = tuple[str, str, str]


class Requests:
    """Of one door: `http` or `grpc`. A door that has no access log passes None."""

    def __init__(self, door: str, log: AccessLog | None = None) -> None:
        self._door, self._log = door, log
        self._counts: dict[Key, list[float]] = {}  # how many, and seconds together

    def over(self, route: str, method: str, status: str, began: float, *, path: str = "", peer: Peer = None) -> None:
        """A request has its answer. `route`: as the table of routes writes it; `began`: monotonic seconds."""
        seconds = monotonic() - began
        count = self._counts.get((route, method, status))
        if count is None:
            key = (route, method, status) if len(self._counts) < MOST else (OTHER, OTHER, status)
            count = self._counts.setdefault(key, [0, 0.0])
        count[0] += 1
        count[1] += seconds
        if self._log is not None:
            self._log(Line(method, path or route, status, seconds, str(peer[0]) if peer else ""))

    async def families(self) -> Iterable[Family]:
        name = f"headrace_{self._door}_request"
        told = [
            ((("route", route), ("method", method), ("code", status)), count)
            for (route, method, status), count in sorted(self._counts.items())
        ]
        return [
            Family(
                f"{name}s_total",
                Kind.COUNTER,
                "Requests answered",
                [Sample(int(one[0]), labels) for labels, one in told],
            ),
            Family(
                f"{name}_seconds_total",
                Kind.COUNTER,
                "Seconds from their heads to their answers, together",
                [Sample(one[1], labels) for labels, one in told],
            ),
        ]
