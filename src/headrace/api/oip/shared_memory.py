"""Shared memory with clients of this machine: register, look, unregister. CUDA memory is not offered.

Asking for nothing is answered in any case, so that clients that tidy up first work.
"""

import msgspec
from starlette.responses import Response

from headrace.api import sentences
from headrace.api.endpoint import Call, Endpoint, NoQuery, Row
from headrace.api.regions import NAMELESS, Region, Regions
from headrace.domain.account import Action
from headrace.domain.errors import Invalid, NotFound, Unsupported

NO_CUDA = "CUDA shared memory is not supported: models here take tensors from the machine's own memory"
SYSTEM, CUDA = "/v2/systemsharedmemory", "/v2/cudasharedmemory"

NoBody = Call[NoQuery, None]


class Registration(msgspec.Struct):
    """A region: `byte_size` bytes of the file /dev/shm/<key>, from `offset` on."""

    key: str | None = None
    offset: int = 0
    byte_size: int = 0


class Registered(msgspec.Struct):
    name: str
    key: str
    offset: int
    byte_size: int


class SharedMemory:
    def __init__(self, regions: Regions) -> None:
        self._regions = regions

    def rows(self) -> list[Row]:
        ask = Action.SUBMIT_JOBS
        system, cuda = f"{SYSTEM}/region/{{region}}", f"{CUDA}/region/{{region}}"
        return [
            Endpoint("GET", f"{SYSTEM}/status", "Regions of shared memory", ask, self.all, answer=list[Registered]),
            Endpoint("GET", f"{system}/status", "A region", ask, self.one, answer=list[Registered]),
            Endpoint("POST", f"{system}/register", "Register a region", ask, self.register, body=bytes,
                     body_schema=Registration, errors=(501,)),
            Endpoint("POST", f"{SYSTEM}/register", "Nothing without a name", ask, self.nameless, errors=(400,)),
            Endpoint("POST", f"{system}/unregister", "Forget a region", ask, self.unregister),
            Endpoint("POST", f"{SYSTEM}/unregister", "Forget all regions", ask, self.unregister),
            Endpoint("GET", f"{CUDA}/status", "Regions: none", ask, self.no_cuda, answer=list[str]),
            Endpoint("GET", f"{cuda}/status", "A region", ask, self.no_cuda_region, answer=list[str]),
            Endpoint("POST", f"{cuda}/register", "Not offered", ask, self.refuse_cuda, errors=(501,)),
            Endpoint("POST", f"{CUDA}/register", "Not offered", ask, self.refuse_cuda, errors=(501,)),
            Endpoint("POST", f"{cuda}/unregister", "Nothing to do", ask, self.nothing),
            Endpoint("POST", f"{CUDA}/unregister", "Nothing to do", ask, self.nothing),
        ]  # fmt: skip

    async def all(self, call: NoBody) -> list[Registered]:
        return [_told(one) for one in self._regions.of(call.principal.team)]

    async def one(self, call: NoBody) -> list[Registered]:
        name = call.params["region"]
        found = [_told(one) for one in self._regions.of(call.principal.team, name)]
        if not found:
            raise NotFound(f"Unable to find system shared memory region: '{name[:200]}'")
        return found

    async def register(self, call: Call[NoQuery, bytes]) -> Response:
        said = sentences.decode(call.body or b"{}", Registration)
        if said.key is None:
            raise Invalid("Shared memory register request has no 'key' field")
        self._regions.register(call.principal.team, call.params["region"], said.key, said.offset, said.byte_size)
        return Response(status_code=200)

    async def nameless(self, _call: NoBody) -> None:
        raise Invalid(NAMELESS)

    async def unregister(self, call: NoBody) -> Response:
        self._regions.unregister(call.principal.team, call.params.get("region", ""))
        return Response(status_code=200)

    async def no_cuda(self, _call: NoBody) -> list[str]:
        return []

    async def no_cuda_region(self, call: NoBody) -> None:
        raise NotFound(f"Unable to find cuda shared memory region: '{call.params['region'][:200]}'")

    async def refuse_cuda(self, _call: NoBody) -> None:
        raise Unsupported(NO_CUDA)

    async def nothing(self, _call: NoBody) -> Response:
        return Response(status_code=200)


def _told(region: Region) -> Registered:
    return Registered(region.name, region.key, region.offset, region.byte_size)
