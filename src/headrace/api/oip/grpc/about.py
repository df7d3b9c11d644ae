"""What the server and its models say of themselves: the same answers as REST gives, as messages."""

from headrace.api.grpc.calls import Call
from headrace.api.grpc.typed import written
from headrace.api.oip import metadata, model_config, statistics
from headrace.api.oip.proto import inference_pb2 as pb
from headrace.api.oip.readiness import Readiness
from headrace.api.oip.shapes import ModelStatistics, Statistics
from headrace.api.rooms import Rooms
from headrace.domain.errors import NotFound, NotReady
from headrace.domain.ids import VersionKey
from headrace.domain.model import Model
from headrace.inference.counts import Counts


class About:
    def __init__(self, rooms: Rooms, readiness: Readiness) -> None:
        self._rooms, self._readiness = rooms, readiness

    async def live(self, _call: Call, _request: pb.ServerLiveRequest) -> pb.ServerLiveResponse:
        return pb.ServerLiveResponse(live=True)

    async def ready(self, _call: Call, _request: pb.ServerReadyRequest) -> pb.ServerReadyResponse:
        return pb.ServerReadyResponse(ready=await self._readiness.ready())

    async def server(self, _call: Call, _request: pb.ServerMetadataRequest) -> pb.ServerMetadataResponse:
        return written(metadata.server(self._rooms.settings.oip), pb.ServerMetadataResponse())

    async def model_ready(self, call: Call, request: pb.ModelReadyRequest) -> pb.ModelReadyResponse:
        """An unknown model is not ready: no error (contracts/oip.md, B2)."""
        try:
            _, version = await self._rooms.directory.known(call.principal, request.name, request.version or None)
        except (NotFound, NotReady):
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=metadata.is_ready(version, self._rooms.fleet.status(version.key)))

    async def model(self, call: Call, request: pb.ModelMetadataRequest) -> pb.ModelMetadataResponse:
        model, version = await self._rooms.directory.resolve(call.principal, request.name, request.version or None)
        versions = (version.key.version,) if request.version else model.active_versions
        return written(metadata.model(request.name, version, versions), pb.ModelMetadataResponse())

    async def config(self, call: Call, request: pb.ModelConfigRequest) -> pb.ModelConfigResponse:
        _, version = await self._rooms.directory.resolve(call.principal, request.name, request.version or None)
        return written({"config": model_config.config(request.name, version)}, pb.ModelConfigResponse())

    async def statistics(self, call: Call, request: pb.ModelStatisticsRequest) -> pb.ModelStatisticsResponse:
        return written(Statistics(await self._statistics(call, request)), pb.ModelStatisticsResponse())

    async def _statistics(self, call: Call, request: pb.ModelStatisticsRequest) -> list[ModelStatistics]:
        directory, name = self._rooms.directory, request.name
        if not name:
            found = await directory.all(call.principal)
            return [one for model in found for one in self._of_model(model.name, model)]
        if not request.version:
            return self._of_model(name, await directory.model(call.principal, name))
        _, version = await directory.resolve(call.principal, name, request.version)
        return [self._counted(name, version.key)]

    def _of_model(self, name: str, model: Model) -> list[ModelStatistics]:
        return [self._counted(name, VersionKey(model.identifier, text)) for text in model.active_versions]

    def _counted(self, name: str, key: VersionKey) -> ModelStatistics:
        return statistics.model(name, key.version, self._rooms.ask.counts.get(key) or Counts())
