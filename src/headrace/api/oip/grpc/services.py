"""The table of methods: path → who may call it and what is done. Every path of the protocol is here."""

from collections.abc import Iterator

from headrace.api.callers import Callers
from headrace.api.grpc.calls import Limits, Method
from headrace.api.grpc.door import Door, admit
from headrace.api.grpc.table import NOBODY_ASKED, table
from headrace.api.grpc.typed import typed
from headrace.api.oip.grpc import shared_memory
from headrace.api.oip.grpc.about import About
from headrace.api.oip.grpc.infer import Infer
from headrace.api.oip.grpc.repository import RepositoryCalls
from headrace.api.oip.grpc.restricted import guarded
from headrace.api.oip.grpc.shared_memory import SharedTensors, SystemRegions
from headrace.api.oip.grpc.stream_infer import StreamInfer
from headrace.api.oip.grpc.tuning import TuningCalls
from headrace.api.oip.permits import Permits
from headrace.api.oip.proto import (
    inference_pb2 as pb,
)
from headrace.api.oip.proto import model_repository_pb2
from headrace.api.oip.readiness import Readiness
from headrace.api.oip.repository import EDIT, Repository
from headrace.api.oip.restricted import Restrictions
from headrace.api.oip.tuning import Tuning
from headrace.api.regions import Regions
from headrace.api.rooms import Rooms
from headrace.domain.account import Action
from headrace.settings import OipSettings

OIP = "inference.GRPCInferenceService"
SELDON = "inference.model_repository.ModelRepositoryService"
READ, ASK = (Action.READ_LIBRARY,), (Action.SUBMIT_JOBS,)


def door(rooms: Rooms) -> Door:
    server, oip = rooms.settings.server, rooms.settings.oip
    limits = Limits(
        message=oip.grpc_limit,
        bodies=rooms.bodies,
        connections=server.connections,
        body=server.body_deadline,
    )
    return Door(methods(rooms), admit(Callers(rooms.keys, rooms.settings)), limits, rooms.calls)


def methods(rooms: Rooms) -> dict[str, Method]:
    readiness, repository = Readiness(rooms), RepositoryCalls(Repository(rooms))
    permits = Permits(rooms.keys, Callers(rooms.keys, rooms.settings), rooms.directory)
    infer = Infer(permits, rooms.directory, rooms.models, rooms.ask, rooms.blobs, rooms.settings.oip)
    infer.slots = rooms.slots
    services = {
        OIP: {
            **dict(_about(About(rooms, readiness))),
            **dict(_infer(infer, rooms.regions, rooms.settings.oip)),
            **dict(_repository(repository)),
            **dict(_tuning(TuningCalls(Tuning(rooms)))),
            **dict(_shared_memory(rooms.regions)),
        },
        SELDON: dict(_seldon(repository)),
    }
    return guarded(table(services, readiness.ready), Restrictions(rooms.settings.oip.restricted))


Named = Iterator[tuple[str, Method]]


def _about(about: About) -> Named:
    yield "ServerLive", Method(NOBODY_ASKED, typed(pb.ServerLiveRequest, about.live))
    yield "ServerReady", Method(NOBODY_ASKED, typed(pb.ServerReadyRequest, about.ready))
    yield "ServerMetadata", Method(NOBODY_ASKED, typed(pb.ServerMetadataRequest, about.server))
    yield "ModelReady", Method(READ, typed(pb.ModelReadyRequest, about.model_ready))
    yield "ModelMetadata", Method(READ, typed(pb.ModelMetadataRequest, about.model))
    yield "ModelConfig", Method(READ, typed(pb.ModelConfigRequest, about.config))
    yield "ModelStatistics", Method(READ, typed(pb.ModelStatisticsRequest, about.statistics))


def _infer(infer: Infer, regions: Regions, settings: OipSettings) -> Named:
    shared = SharedTensors(infer.unary, regions, settings.grpc_limit) if regions.enabled else None
    if shared is None:
        yield "ModelInfer", Method(ASK, infer.unary, at_once=infer, in_order=True)
    else:
        yield "ModelInfer", Method(ASK, shared.unary, in_order=True)
    yield "ModelStreamInfer", Method(ASK, streaming=StreamInfer(infer, shared, settings.grpc_stream_profile).stream)


def _repository(repository: RepositoryCalls) -> Named:
    yield "RepositoryIndex", Method(READ, typed(pb.RepositoryIndexRequest, repository.index))
    yield "RepositoryModelLoad", Method(EDIT, typed(pb.RepositoryModelLoadRequest, repository.load))
    yield "RepositoryModelUnload", Method(EDIT, typed(pb.RepositoryModelUnloadRequest, repository.unload))


def _tuning(tuning: TuningCalls) -> Named:
    yield "LogSettings", Method(READ, typed(pb.LogSettingsRequest, tuning.log))
    yield "TraceSetting", Method(READ, typed(pb.TraceSettingRequest, tuning.trace))


def _shared_memory(regions: Regions) -> Named:
    kinds, system = shared_memory, SystemRegions(regions)
    yield "SystemSharedMemoryStatus", Method(ASK, typed(pb.SystemSharedMemoryStatusRequest, system.status))
    yield "SystemSharedMemoryRegister", Method(ASK, typed(pb.SystemSharedMemoryRegisterRequest, system.register))
    yield (
        "SystemSharedMemoryUnregister",
        Method(ASK, typed(pb.SystemSharedMemoryUnregisterRequest, system.unregister)),
    )
    yield "CudaSharedMemoryStatus", Method(ASK, typed(pb.CudaSharedMemoryStatusRequest, kinds.cuda_status))
    yield "CudaSharedMemoryRegister", Method(ASK, typed(pb.CudaSharedMemoryRegisterRequest, kinds.cuda_register))
    yield "CudaSharedMemoryUnregister", Method(ASK, typed(pb.CudaSharedMemoryUnregisterRequest, kinds.cuda_unregister))


def _seldon(repository: RepositoryCalls) -> Named:
    seldon = model_repository_pb2
    yield "RepositoryIndex", Method(READ, typed(seldon.RepositoryIndexRequest, repository.seldon_index))
    yield "RepositoryModelLoad", Method(EDIT, typed(seldon.RepositoryModelLoadRequest, repository.seldon_load))
    yield "RepositoryModelUnload", Method(EDIT, typed(seldon.RepositoryModelUnloadRequest, repository.seldon_unload))
