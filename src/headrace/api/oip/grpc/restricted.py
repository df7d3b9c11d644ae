"""Restricted groups of methods (contracts/oip.md, A22): metadata with an agreed value, beside the key.

The setting is the same as for REST, and the header has Triton's prefix here: triton-grpc-protocol-NAME.
"""

from collections.abc import Mapping
from dataclasses import replace
from hmac import compare_digest

from headrace.api.grpc.calls import Call, Exchange, Method
from headrace.api.grpc.status import Code, Status
from headrace.api.oip.restricted import GRPC_PREFIX, Restrictions

_GROUPS = {
    "ServerLive": "health", "ServerReady": "health", "ModelReady": "health", "Check": "health", "Watch": "health",
    "ServerMetadata": "metadata", "ModelMetadata": "metadata", "ModelInfer": "inference",
    "ModelStreamInfer": "inference", "ModelConfig": "model-config", "ModelStatistics": "statistics",
    "RepositoryIndex": "model-repository", "RepositoryModelLoad": "model-repository",
    "RepositoryModelUnload": "model-repository", "TraceSetting": "trace", "LogSettings": "logging",
}  # fmt: skip
_MEMORY = "SharedMemory"  # in the names of all methods of that group


def guarded(methods: Mapping[str, Method], restrictions: Restrictions) -> dict[str, Method]:
    """By path. Methods of groups that are free are as they were."""
    return {path: _guarded(method, restrictions.wanted(group_of(path))) for path, method in methods.items()}


def group_of(path: str) -> str:
    """Empty for what belongs to none: the description of the services."""
    name = path.rpartition("/")[2]
    return "shared-memory" if _MEMORY in name else _GROUPS.get(name, "")


def _guarded(method: Method, wanted: tuple[str, str] | None) -> Method:
    """Without the short way: it does not look at metadata."""
    if wanted is None:
        return method
    guard = _Guard(GRPC_PREFIX + wanted[0], wanted[1], method)
    unary = None if method.unary is None else guard.unary
    return replace(method, unary=unary, streaming=None if method.streaming is None else guard.streaming, at_once=None)


class _Guard:
    def __init__(self, name: str, value: str, method: Method) -> None:
        self._name, self._value, self._method = name, value.encode(), method

    async def unary(self, call: Call, message: bytes) -> bytes:
        self._check(call)
        assert self._method.unary is not None  # noqa: S101 - see _guarded
        return await self._method.unary(call, message)

    async def streaming(self, call: Call, exchange: Exchange) -> None:
        try:
            self._check(call)
        except Status:
            await exchange.receive()  # gRPC's asyncio client loses a status that comes while it writes
            raise
        assert self._method.streaming is not None  # noqa: S101 - as above
        await self._method.streaming(call, exchange)

    def _check(self, call: Call) -> None:
        """Raises Status."""
        if not compare_digest(call.metadata.get(self._name, "").encode(), self._value):
            raise Status(Code.UNAVAILABLE, f"This protocol is restricted, expecting header '{self._name}'")
