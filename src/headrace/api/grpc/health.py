"""grpc.health.v1: for probes. Every service is as healthy as the server, also one that nobody knows, as in Triton."""

import asyncio
from collections.abc import Awaitable, Callable

from headrace.api.grpc.calls import Call, Exchange
from headrace.api.grpc.proto import health_pb2 as pb
from headrace.api.grpc.status import Code, Status
from headrace.api.grpc.typed import parsed

LOOK = 1.0  # seconds between two looks of a watcher
WATCHERS = 100  # at once: they need no key

Response = pb.HealthCheckResponse


class Health:
    """`ready`: whether the server may be asked now."""

    def __init__(self, ready: Callable[[], Awaitable[bool]]) -> None:
        self._ready = ready
        self._watchers = 0

    async def check(self, _call: Call, _request: pb.HealthCheckRequest) -> Response:
        serving = await self._ready()
        return Response(status=Response.SERVING if serving else Response.NOT_SERVING)

    async def watch(self, call: Call, exchange: Exchange) -> None:
        if self._watchers >= WATCHERS:
            raise Status(Code.RESOURCE_EXHAUSTED, f"{WATCHERS} clients watch already: use Check")
        self._watchers += 1
        try:
            await self._watch(call, exchange)
        finally:
            self._watchers -= 1

    async def _watch(self, call: Call, exchange: Exchange) -> None:
        request = parsed(pb.HealthCheckRequest, await exchange.receive() or b"")
        told: Response | None = None
        while not exchange.stopping():
            found = await self.check(call, request)
            if found != told:
                await exchange.send(found.SerializeToString())
                told = found
            await asyncio.sleep(LOOK)
        await exchange.send(Response(status=Response.NOT_SERVING).SerializeToString())
