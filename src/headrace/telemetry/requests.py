"""Requests at a door by route, method and outcome: two additions for each, and a line in the access log if it is on."""

from collections.abc import Iterable, Sequence
from time import monotonic

from headrace.telemetry.log import AccessLog, Line
from headrace.telemetry.metrics import Family, Kind, Sample

MOST = 5_000  # different labels; a door tells routes, not paths, so this is never reached
OTHER = "other"

Peer = Sequence[object] | None  # address and port, as sockets tell them
Key = tuple[str, str, str]


class Tally:
    """Requests of one kind: how many, and seconds together."""

    __slots__ = ("_key", "_log", "count", "seconds")

    def __init__(self, key: Key, log: AccessLog | None) -> None:
        self._key, self._log = key, log
        self.count, self.seconds = 0, 0.0

    def over(self, began: float, *, path: str = "", peer: Peer = None) -> None:
        """One more has its answer. `began`: monotonic seconds."""
        seconds = monotonic() - began
        self.count += 1
        self.seconds += seconds
        if self._log is not None:
            route, method, status = self._key
            self._log(Line(method, path or route, status, seconds, str(peer[0]) if peer else ""))


class Requests:
    """Of one door: `http` or `grpc`. A door that has no access log passes None."""

    def __init__(self, door: str, log: AccessLog | None = None) -> None:
        self._door, self._log = door, log
        self._tallies: dict[Key, Tally] = {}

    def over(self, route: str, method: str, status: str, began: float, *, path: str = "", peer: Peer = None) -> None:
        """A request has its answer. `route`: as the table of routes writes it; `began`: monotonic seconds."""
        self.tally(route, method, status).over(began, path=path or route, peer=peer)

    def tally(self, route: str, method: str, status: str) -> Tally:
        """Where such requests are counted: for whoever has many of one kind."""
        found = self._tallies.get((route, method, status))
        if found is None:
            key = (route, method, status) if len(self._tallies) < MOST else (OTHER, OTHER, status)
            found = self._tallies.get(key) or self._tallies.setdefault(key, Tally(key, self._log))
        return found

    async def families(self) -> Iterable[Family]:
        name = f"headrace_{self._door}_request"
        told = [
            ((("route", route), ("method", method), ("code", status)), self._tallies[route, method, status])
            for route, method, status in sorted(self._tallies)
        ]
        return [
            Family(
                f"{name}s_total",
                Kind.COUNTER,
                "Requests answered",
                [Sample(one.count, labels) for labels, one in told],
            ),
            Family(
                f"{name}_seconds_total",
                Kind.COUNTER,
                "Seconds from their heads to their answers, together",
                [Sample(one.seconds, labels) for labels, one in told],
            ),
        ]
