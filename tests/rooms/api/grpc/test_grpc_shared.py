"""Tensors in shared memory count like those in messages."""

import secrets
from dataclasses import replace

import grpc.aio
import pytest
from rooms.api.grpc.peers import ASK, listening
from rooms.api.grpc.test_calls import failure

from headrace.api.bodies import Bodies
from headrace.api.endpoint import NOBODY
from headrace.api.grpc.calls import Limits, Method
from headrace.api.grpc.door import Door
from headrace.api.oip.grpc.shared_memory import SharedTensors
from headrace.api.oip.proto import inference_pb2 as pb
from headrace.api.regions import FOLDER, Regions

SIZE = 1_000


@pytest.fixture
async def shared():
    """A channel to a method that tells how many bytes it got."""
    path = FOLDER / f"oip_{secrets.token_hex(6)}"
    path.write_bytes(bytes(SIZE))
    regions = Regions("oip_")
    regions.register("team", "in", path.name, 0, SIZE)

    async def told(_call, message):
        return b"%d %d" % (len(message), door.held)

    told_of = Method(ASK, SharedTensors(told, regions, 6 * SIZE).unary)
    door = Door({"/t/Told": told_of}, _admit, Limits(bodies=Bodies(4 * SIZE)))
    async with listening(door) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield door, channel.unary_unary("/t/Told")
    regions.unregister("team")
    path.unlink()


async def _admit(_head, _actions):
    return replace(NOBODY, team="team")


def asks(times):
    request = pb.ModelInferRequest(model_name="m")
    for _ in range(times):
        one = request.inputs.add(name="IN", datatype="UINT8", shape=[SIZE])
        one.parameters["shared_memory_region"].string_param = "in"
        one.parameters["shared_memory_byte_size"].int64_param = SIZE
    return request.SerializeToString()


async def test_they_count_while_the_request_is_under_way(shared) -> None:
    door, call = shared
    size, held = map(int, (await call(asks(3))).split())

    assert size > 3 * SIZE == held
    assert 0 == door.held


async def test_all_requests_together_have_a_limit(shared) -> None:
    door, call = shared
    code, said = await failure(call(asks(5)))

    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, True) == (code, "4000 bytes together" in said)
    assert 0 == door.held


async def test_one_request_has_a_limit(shared) -> None:
    door, call = shared
    code, said = await failure(call(asks(7)))

    assert (grpc.StatusCode.RESOURCE_EXHAUSTED, 0) == (code, door.held), said
