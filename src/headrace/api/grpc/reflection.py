"""Server reflection, v1 and v1alpha, which differ in name only: tools like grpcurl learn from it what can be called."""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from google.protobuf.descriptor import FileDescriptor

from headrace.api.grpc.calls import Call, Exchange
from headrace.api.grpc.pool import POOL
from headrace.api.grpc.proto import reflection_v1_pb2, reflection_v1alpha_pb2
from headrace.api.grpc.status import Code
from headrace.api.grpc.typed import parsed

VERSIONS = {
    "grpc.reflection.v1.ServerReflection": reflection_v1_pb2,
    "grpc.reflection.v1alpha.ServerReflection": reflection_v1alpha_pb2,
}


class Reflection:
    """`pb` is the version's module of messages."""

    def __init__(self, pb: ModuleType, services: Iterable[str]) -> None:
        self._pb: Any = pb
        self._services = sorted(services)

    async def info(self, _call: Call, exchange: Exchange) -> None:
        while (raw := await exchange.receive()) is not None:
            request = parsed(self._pb.ServerReflectionRequest, raw)
            response = self._pb.ServerReflectionResponse(valid_host=request.host, original_request=request)
            self._answer(request, response)
            await exchange.send(response.SerializeToString())

    def _answer(self, request: Any, response: Any) -> None:
        kind = request.WhichOneof("message_request")
        if kind == "list_services":
            for name in self._services:
                response.list_services_response.service.add(name=name)
            return
        try:
            file = _file(kind, request)
        except KeyError:
            response.error_response.error_code = Code.NOT_FOUND
            response.error_response.error_message = f"not found: {str(getattr(request, kind or '', ''))[:200]}"
            return
        response.file_descriptor_response.file_descriptor_proto.extend(
            one.serialized_pb for one in _with_dependencies(file)
        )


def _file(kind: str | None, request: Any) -> FileDescriptor:
    """Raises KeyError. No message of ours has extensions."""
    if kind == "file_by_filename":
        return POOL.FindFileByName(request.file_by_filename)
    if kind == "file_containing_symbol":
        return POOL.FindFileContainingSymbol(request.file_containing_symbol)
    raise KeyError(kind)


def _with_dependencies(file: FileDescriptor) -> list[FileDescriptor]:
    found: dict[str, FileDescriptor] = {}
    waiting = [file]
    while waiting:
        one = waiting.pop()
        if one.name not in found:
            found[one.name] = one
            waiting += one.dependencies
    return list(found.values())
