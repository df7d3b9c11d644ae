"""What all connections of the door share."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from headrace.api.grpc.calls import Admit, Limits, Method
from headrace.api.grpc.status import Code, Status
from headrace.telemetry.requests import Peer, Requests, Tally

RECEIVED = 640 * 1024  # bytes that are read at once: a picture of 3x224x224 numbers, and what lies around it

_NAMES = {code: code.name for code in Code}  # to ask the code itself costs more than all else in `over`


@dataclass(slots=True)
class Desk:
    """`admit` says who sent these headers, and raises when nobody may who did. Calls run in `group`."""

    methods: Mapping[str, Method]
    admit: Admit
    limits: Limits
    group: asyncio.TaskGroup
    requests: Requests = field(default_factory=lambda: Requests("grpc"))  # told of each call that has ended
    draining: bool = False
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(RECEIVED)))  # what was read last
    _later: list[Callable[[], None]] = field(default_factory=list)
    _fine: dict[str, Tally] = field(default_factory=dict)  # of calls that went well

    def later(self, act: Callable[[], None]) -> None:
        """At the end of this turn of the loop, for all connections together."""
        if not self._later:
            asyncio.get_running_loop().call_soon(self._now)
        self._later.append(act)

    def _now(self) -> None:
        acts, self._later = self._later, []
        for act in acts:
            act()

    def hold(self, size: int) -> int:
        """Room for a message beyond its first window, given back by `release`.

        Raises Status when all requests together, those of other doors among them, hold too much.
        """
        bodies = self.limits.bodies
        if not bodies.take(size, alone=True):  # clients expect no limit
            raise Status(
                Code.RESOURCE_EXHAUSTED, f"the requests under way have more than {bodies.limit} bytes together"
            )
        return size

    def release(self, size: int) -> None:
        self.limits.bodies.give_back(size)

    def over(self, path: str, code: Code, began: float, peer: Peer = None) -> None:
        """A call has ended. A method that we do not know is told as none: paths of strangers are no labels."""
        tally = self._fine.get(path) if code is Code.OK else None
        (tally or self._tally(path, code)).over(began, peer=peer)

    def _tally(self, path: str, code: Code) -> Tally:
        tally = self.requests.tally(path if path in self.methods else "unknown", "call", _NAMES[code])
        if code is Code.OK and path in self.methods:
            self._fine[path] = tally
        return tally
