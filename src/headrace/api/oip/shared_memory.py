"""Shared memory with clients: not offered. Asking for nothing is answered, so that clients that tidy up first work."""

from starlette.responses import Response

from headrace.api.endpoint import Call, Endpoint, NoQuery, Row
from headrace.domain.account import Action
from headrace.domain.errors import NotFound, Unsupported

KINDS = {"systemsharedmemory": "system", "cudasharedmemory": "cuda"}

NoBody = Call[NoQuery, None]


class SharedMemory:
    def rows(self) -> list[Row]:
        return [row for path, kind in KINDS.items() for row in self._rows(f"/v2/{path}", kind)]

    def _rows(self, path: str, kind: str) -> list[Row]:
        ask, region = Action.SUBMIT_JOBS, path + "/region/{region}"

        async def one(call: NoBody) -> None:
            raise NotFound(f"Unable to find {kind} shared memory region: '{call.params['region'][:200]}'")

        return [
            Endpoint("GET", f"{path}/status", "Regions: none", ask, self.none, answer=list[str]),
            Endpoint("GET", f"{region}/status", "A region", ask, one, answer=list[str]),
            Endpoint("POST", f"{region}/register", "Not offered", ask, self.refuse, errors=(501,)),
            Endpoint("POST", f"{region}/unregister", "Nothing to do", ask, self.nothing),
            Endpoint("POST", f"{path}/unregister", "Nothing to do", ask, self.nothing),
        ]

    async def none(self, _call: NoBody) -> list[str]:
        return []

    async def refuse(self, _call: NoBody) -> None:
        raise Unsupported("shared memory with clients is not supported: send tensors in the body, as binary data")

    async def nothing(self, _call: NoBody) -> Response:
        return Response(status_code=200)
