"""Restricted groups over gRPC: Triton's header beside the key, and nothing without it."""

import grpc
import pytest
from rooms.api.grpc.test_services import Stub, failure, opened, request
from rooms.api.house import house

from headrace.api.grpc.table import HEALTH
from headrace.api.oip.grpc import services
from headrace.api.oip.grpc.restricted import group_of
from headrace.api.oip.proto import inference_pb2 as pb
from headrace.api.oip.restricted import GROUPS
from headrace.settings import OipSettings

SAID = "This protocol is restricted, expecting header 'triton-grpc-protocol-pass'"
REFUSED = (grpc.StatusCode.UNAVAILABLE, SAID)
WORD = ("triton-grpc-protocol-pass", "word")


@pytest.fixture
async def home(tmp_path):
    async with house(tmp_path, oip=OipSettings(restricted=("inference,health:Pass=word",))) as found:
        yield found


async def test_without_the_header_nothing_is_done(home):
    async with opened(home) as channel:
        triton = Stub(channel, home.key, services.OIP)
        assert REFUSED == await failure(triton.ModelInfer(request()))
        assert REFUSED == await failure(triton.ServerLive())
        assert REFUSED == await failure(channel.unary_unary(f"/{HEALTH}/Check")(b"", timeout=30))
        stream = channel.stream_stream(
            f"/{services.OIP}/ModelStreamInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelStreamInferResponse.FromString,
        )
        call = stream(iter([request()]), metadata=triton.metadata, timeout=30)
        assert REFUSED == (await call.code(), await call.details())


async def test_with_it_all_is_as_ever_and_other_groups_are_free(home):
    async with opened(home) as channel:
        triton = Stub(channel, home.key, services.OIP)
        assert (await triton.ServerMetadata()).name
        triton.metadata = (*triton.metadata, WORD)
        assert (await triton.ServerLive()).live
        code, said = await failure(triton.ModelInfer(request()))
        assert (grpc.StatusCode.NOT_FOUND, "iris") == (code, said.split("'")[1])


async def test_a_wrong_value_and_a_missing_key(home):
    async with opened(home) as channel:
        wrong = Stub(channel, home.key, services.OIP)
        wrong.metadata = (*wrong.metadata, (WORD[0], "other"))
        assert REFUSED == await failure(wrong.ModelInfer(request()))
        nobody = Stub(channel, "", services.OIP)
        nobody.metadata = (WORD,)
        assert grpc.StatusCode.UNAUTHENTICATED == (await failure(nobody.ModelInfer(request())))[0]


def test_every_method_belongs_to_a_group(home):
    found = {path: group_of(path) for path in services.methods(home.rooms)}
    assert {"ServerReflectionInfo"} == {path.rpartition("/")[2] for path, group in found.items() if not group}
    assert set(found.values()) <= {*GROUPS, ""}
