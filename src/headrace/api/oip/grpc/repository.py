"""The model repository's calls: Triton's and MLServer's form and KServe's, by one handler (contracts/oip.md, B4)."""

from typing import Any

from headrace.api.grpc.calls import Call
from headrace.api.grpc.typed import written
from headrace.api.oip.brought import brought
from headrace.api.oip.proto import inference_pb2 as pb
from headrace.api.oip.proto import model_repository_pb2 as seldon
from headrace.api.oip.repository import Repository, check_unload
from headrace.domain.errors import Unsupported

Load = pb.RepositoryModelLoadRequest
Unload = pb.RepositoryModelUnloadRequest


class RepositoryCalls:
    def __init__(self, repository: Repository) -> None:
        self._repository = repository

    async def index(self, call: Call, request: pb.RepositoryIndexRequest) -> pb.RepositoryIndexResponse:
        if request.repository_name:
            raise _unsupported()
        found = await self._repository.index(call.principal, ready=request.ready)
        return written({"models": found}, pb.RepositoryIndexResponse())

    async def load(self, call: Call, request: Load) -> pb.RepositoryModelLoadResponse:
        name = _name(request)
        await self._repository.load(call.principal, name, brought(_parameters(request)))
        return pb.RepositoryModelLoadResponse(model_name=name, isLoaded=True)

    async def unload(self, call: Call, request: Unload) -> pb.RepositoryModelUnloadResponse:
        name = _name(request)
        check_unload(_parameters(request))
        await self._repository.unload(call.principal, name)
        return pb.RepositoryModelUnloadResponse(model_name=name, isUnloaded=True)

    async def seldon_index(self, call: Call, request: seldon.RepositoryIndexRequest) -> seldon.RepositoryIndexResponse:
        """MLServer's own service takes no notice of the repository's name."""
        found = await self._repository.index(call.principal, ready=request.ready)
        return written({"models": found}, seldon.RepositoryIndexResponse())

    async def seldon_load(
        self, call: Call, request: seldon.RepositoryModelLoadRequest
    ) -> seldon.RepositoryModelLoadResponse:
        await self._repository.load(call.principal, request.model_name)
        return seldon.RepositoryModelLoadResponse()

    async def seldon_unload(
        self, call: Call, request: seldon.RepositoryModelUnloadRequest
    ) -> seldon.RepositoryModelUnloadResponse:
        await self._repository.unload(call.principal, request.model_name)
        return seldon.RepositoryModelUnloadResponse()


def _name(request: Load | Unload) -> str:
    """KServe's clients send the model's name in the field where Triton's send that of a repository."""
    if not request.model_name:
        return request.repository_name
    if request.repository_name:
        raise _unsupported()
    return request.model_name


def _parameters(request: Load | Unload) -> dict[str, Any]:
    given = request.parameters
    return {key: getattr(one, one.WhichOneof("parameter_choice") or "", None) for key, one in given.items()}


def _unsupported() -> Unsupported:
    return Unsupported("'repository_name' specification is not supported")
