"""Shared memory with clients: not offered. Asking for nothing is answered, so that clients that tidy up first work."""

from headrace.api.oip.grpc.calls import Call
from headrace.api.oip.grpc.proto import inference_pb2 as pb
from headrace.domain.errors import NotFound, Unsupported


async def system_status(
    _call: Call, request: pb.SystemSharedMemoryStatusRequest
) -> pb.SystemSharedMemoryStatusResponse:
    _check("system", request.name)
    return pb.SystemSharedMemoryStatusResponse()


async def system_register(
    _call: Call, _request: pb.SystemSharedMemoryRegisterRequest
) -> pb.SystemSharedMemoryRegisterResponse:
    raise _unsupported()


async def system_unregister(
    _call: Call, _request: pb.SystemSharedMemoryUnregisterRequest
) -> pb.SystemSharedMemoryUnregisterResponse:
    return pb.SystemSharedMemoryUnregisterResponse()


async def cuda_status(_call: Call, request: pb.CudaSharedMemoryStatusRequest) -> pb.CudaSharedMemoryStatusResponse:
    _check("cuda", request.name)
    return pb.CudaSharedMemoryStatusResponse()


async def cuda_register(
    _call: Call, _request: pb.CudaSharedMemoryRegisterRequest
) -> pb.CudaSharedMemoryRegisterResponse:
    raise _unsupported()


async def cuda_unregister(
    _call: Call, _request: pb.CudaSharedMemoryUnregisterRequest
) -> pb.CudaSharedMemoryUnregisterResponse:
    return pb.CudaSharedMemoryUnregisterResponse()


def _check(kind: str, name: str) -> None:
    if name:
        raise NotFound(f"Unable to find {kind} shared memory region: '{name[:200]}'")


def _unsupported() -> Unsupported:
    return Unsupported("shared memory with clients is not supported: send tensors in the message")
