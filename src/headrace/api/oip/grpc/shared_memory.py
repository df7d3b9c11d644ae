"""Shared memory with clients of this machine, over gRPC: regions, and requests whose tensors lie there."""

from collections.abc import Callable, MutableMapping
from dataclasses import replace

from google.protobuf.message import DecodeError

from headrace.api.grpc.calls import Call, Unary
from headrace.api.oip.proto import inference_pb2 as pb
from headrace.api.oip.shared_memory import NO_CUDA
from headrace.api.oip.shared_tensors import KEYS, Place, Sharing, check_size, place_of
from headrace.api.regions import Regions
from headrace.domain.errors import Invalid, NotFound, Unsupported

REGION = b"shared_memory_region"


class SystemRegions:
    def __init__(self, regions: Regions) -> None:
        self._regions = regions

    async def status(
        self, call: Call, request: pb.SystemSharedMemoryStatusRequest
    ) -> pb.SystemSharedMemoryStatusResponse:
        response = pb.SystemSharedMemoryStatusResponse()
        for one in self._regions.of(call.principal.team, request.name):
            told = response.regions[one.name]
            told.name, told.key, told.offset, told.byte_size = one.name, one.key, one.offset, one.byte_size
        if request.name and not response.regions:
            raise NotFound(f"Unable to find system shared memory region: '{request.name[:200]}'")
        return response

    async def register(
        self, call: Call, request: pb.SystemSharedMemoryRegisterRequest
    ) -> pb.SystemSharedMemoryRegisterResponse:
        self._regions.register(call.principal.team, request.name, request.key, request.offset, request.byte_size)
        return pb.SystemSharedMemoryRegisterResponse()

    async def unregister(
        self, call: Call, request: pb.SystemSharedMemoryUnregisterRequest
    ) -> pb.SystemSharedMemoryUnregisterResponse:
        self._regions.unregister(call.principal.team, request.name)
        return pb.SystemSharedMemoryUnregisterResponse()


async def cuda_status(_call: Call, request: pb.CudaSharedMemoryStatusRequest) -> pb.CudaSharedMemoryStatusResponse:
    if request.name:
        raise NotFound(f"Unable to find cuda shared memory region: '{request.name[:200]}'")
    return pb.CudaSharedMemoryStatusResponse()


async def cuda_register(
    _call: Call, _request: pb.CudaSharedMemoryRegisterRequest
) -> pb.CudaSharedMemoryRegisterResponse:
    raise Unsupported(NO_CUDA)


async def cuda_unregister(
    _call: Call, _request: pb.CudaSharedMemoryUnregisterRequest
) -> pb.CudaSharedMemoryUnregisterResponse:
    return pb.CudaSharedMemoryUnregisterResponse()


class SharedTensors:
    """ModelInfer for requests with tensors in shared memory: the others go on as they are.

    With them a request has at most `limit` bytes.
    """

    def __init__(self, infer: Unary, regions: Regions, limit: int) -> None:
        self._infer, self._regions, self._limit, self._sharing = infer, regions, limit, Sharing(regions, limit)

    async def unary(self, call: Call, message: bytes) -> bytes:
        if REGION not in message:
            return await self._infer(call, message)
        message, places = await self.take(call.principal.team, message, call.hold)
        answer = await self._infer(call, message)
        return await self.give(call.principal.team, answer, places) if places else answer

    async def take(self, team: str, message: bytes, hold: Callable[[int], None]) -> tuple[bytes, dict[str, Place]]:
        """The request with its tensors in it, and where its outputs are to go.

        Raises Invalid, NotFound, TooLarge, and what `hold` raises, which is asked for room before they are read.
        """
        try:
            request = pb.ModelInferRequest.FromString(message)
        except DecodeError:
            raise Invalid("the message is not a ModelInferRequest: its bytes cannot be read") from None
        raw = list(request.raw_input_contents)
        if any(one.HasField("contents") for one in request.inputs):
            raise Invalid("a request with tensors in shared memory gives all others as raw_input_contents")
        contents: list[bytes] = []
        size = len(message)
        for one in request.inputs:
            if (place := _place(one.parameters)) is not None:
                size += place.byte_size
                check_size(size, self._limit)
                hold(place.byte_size)
                contents.append(await self._regions.get(team, place.region).read(place.offset, place.byte_size))
            elif raw:
                contents.append(raw.pop(0))
        del request.raw_input_contents[:]
        request.raw_input_contents.extend([*contents, *raw])
        places = {}
        for output in request.outputs:
            if (place := _place(output.parameters)) is not None:
                self._regions.get(team, place.region)
                places[output.name] = place
        return request.SerializeToString(), places

    async def give(self, team: str, message: bytes, places: dict[str, Place]) -> bytes:
        """The answer, its outputs written to their places and empty in it. Raises Invalid, NotFound."""
        response = pb.ModelInferResponse.FromString(message)
        for index, one in enumerate(response.outputs):
            if (place := places.get(one.name)) is None or index >= len(response.raw_output_contents):
                continue
            data = response.raw_output_contents[index]
            await self._sharing.write(team, one.name, place, data)
            for key, value in replace(place, byte_size=len(data)).parameters.items():
                if isinstance(value, str):
                    one.parameters[key].string_param = value
                else:
                    one.parameters[key].int64_param = value
            response.raw_output_contents[index] = b""
        return response.SerializeToString()


def _place(parameters: MutableMapping[str, pb.InferParameter]) -> Place | None:
    """Takes it out of a tensor's parameters. Raises Invalid."""
    said = {}
    for key in KEYS:
        if key in parameters:
            one = parameters.pop(key)
            kind = one.WhichOneof("parameter_choice")
            said[key] = None if kind is None else getattr(one, kind)
    return place_of(said)
