"""Requests that come together reach the model in the order in which they came, also when everything has to be read."""

import secrets
import zlib
from dataclasses import replace

import pytest
from rooms.api.grpc.peers import listening, message, wire
from rooms.api.grpc.peers import request as headers
from rooms.api.grpc.test_services import TENSORS, Echo, request
from rooms.api.house import RUNS, change_everything, house, reads_end_in_any_order

from headrace.api.grpc import http2
from headrace.api.oip.grpc import services
from headrace.api.oip.proto import inference_pb2 as pb
from headrace.api.regions import FOLDER
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey
from headrace.domain.model import Scope, Visibility
from headrace.settings import OipSettings

MANY, ROUNDS, FEW = 40, 3, 10
LARGE = 3 << 20  # bytes: more than are read without leaving the loop


class Noting(Echo):
    """Notes what it is asked."""

    def __init__(self):
        super().__init__()
        self.ids = []

    def _answer(self, request):
        self.ids.append(request.id)
        request.raw_input_contents[:] = [b"abcd"]
        return super()._answer(request)


@pytest.fixture(params=["", "only"])
async def noting(request, client, home):
    """With one answer to a request, and with any number of them."""
    home.talker = Noting()
    found = await home.publish(client, "iris")
    key = VersionKey(found, "1.0.0")
    tensors = replace(TENSORS, streams=request.param)
    await home.rooms.versions.change(key, lambda one: replace(one, tensors=tensors), now())
    reads_end_in_any_order(home)
    return home.talker, key


def asked(number, **parameters):
    """A request of a sequence, with its prefix."""
    given = {name: pb.InferParameter(**value) for name, value in parameters.items()}
    return message(request(str(number), parameters=given).SerializeToString())


async def ended(talk, streams):
    """Until so many have their trailers."""
    while streams:
        frame = await talk.until(http2.HEADERS, flags=http2.END_STREAM)
        assert b"grpc-status\x010" in frame.payload, frame.payload
        streams -= 1


def sent(number, data):
    return http2.frame(http2.DATA, http2.END_STREAM, number, data)


def began(home, number, method="ModelInfer", *more, key=None):
    block = headers(f"/{services.OIP}/{method}", (b"authorization", f"ApiKey {key or home.key}".encode()), *more)
    return http2.frame(http2.HEADERS, http2.END_HEADERS, number, block)


async def test_calls_of_one_sequence(home, noting):
    talker, key = noting
    async with listening(services.door(home.rooms)) as port:
        for turn in range(ROUNDS):
            await change_everything(home, key)
            async with wire(port) as talk:
                for number in range(MANY):
                    start = {"bool_param": number == 0}
                    said = asked(number, sequence_id={"int64_param": turn + 1}, sequence_start=start)
                    talk.write(began(home, 2 * number + 1) + sent(2 * number + 1, said))
                await ended(talk, MANY)
    assert [str(number) for number in range(MANY)] * ROUNDS == talker.ids


async def test_requests_of_one_stream(home, noting):
    talker, key = noting
    async with listening(services.door(home.rooms)) as port:
        for _ in range(ROUNDS):
            await change_everything(home, key)
            async with wire(port) as talk:
                talk.write(began(home, 1, "ModelStreamInfer") + sent(1, b"".join(map(asked, range(MANY)))))
                await ended(talk, 1)
    assert [str(number) for number in range(MANY)] * ROUNDS == talker.ids


def step(number, **more):
    said = {"sequence_id": {"int64_param": 7}, "sequence_start": {"bool_param": number == 0}}
    return asked(number, **said | more)


async def test_packed_calls_of_one_sequence(home, noting):
    """To unpack a large one takes a while, and the small ones between need none."""
    talker, _ = noting
    async with listening(services.door(home.rooms)) as port, wire(port) as talk:
        for number in range(FEW):
            if number % 2:
                talk.write(began(home, 2 * number + 1) + sent(2 * number + 1, step(number)))
                continue
            packed = message(zlib.compress(step(number, note={"string_param": "x" * LARGE})[5:]))
            block = began(home, 2 * number + 1, "ModelInfer", (b"grpc-encoding", b"deflate"))
            talk.write(block + sent(2 * number + 1, b"\1" + packed[1:]))
        await ended(talk, FEW)
    assert [str(number) for number in range(FEW)] == talker.ids


async def test_calls_of_one_sequence_whose_tensors_lie_in_shared_memory(tmp_path):
    path = FOLDER / f"oip_{secrets.token_hex(6)}"
    path.write_bytes(bytes(LARGE))
    try:
        async with house(tmp_path, oip=OipSettings(shared_memory="/oip_")) as home, home.client() as client:
            home.talker = talker = Noting()
            key = VersionKey(await home.publish(client, "iris"), "1.0.0")
            await home.rooms.versions.change(key, lambda one: replace(one, tensors=TENSORS), now())
            team = (await home.rooms.keys.principal(f"ApiKey {home.key}")).team
            home.rooms.regions.register(team, "in", path.name, 0, LARGE)
            async with listening(services.door(home.rooms)) as port, wire(port) as talk:
                for number in range(FEW):
                    found = pb.ModelInferRequest.FromString(step(number)[5:])
                    if not number % 2:
                        del found.raw_input_contents[:]
                        found.inputs[0].parameters["shared_memory_region"].string_param = "in"
                        found.inputs[0].parameters["shared_memory_byte_size"].int64_param = LARGE
                    said = message(found.SerializeToString())
                    talk.write(began(home, 2 * number + 1) + sent(2 * number + 1, said))
                await ended(talk, FEW)
            home.rooms.regions.unregister(team)
    finally:
        path.unlink()
    assert [str(number) for number in range(FEW)] == talker.ids


async def test_calls_of_one_sequence_that_are_complete_in_another_order(home, noting):
    """As with clients that send frames of several calls by turns."""
    talker, _ = noting
    async with listening(services.door(home.rooms)) as port, wire(port) as talk:
        for number in range(FEW):
            talk.write(began(home, 2 * number + 1))
        for number in reversed(range(FEW)):
            talk.write(sent(2 * number + 1, step(number)))
        await ended(talk, FEW)
    assert [str(number) for number in range(FEW)] == talker.ids


async def test_a_call_that_stays_away_holds_up_only_its_callers_sequences(home, noting):
    talker, key = noting
    await home.rooms.models.change(key.model, lambda one: replace(one, visibility=Visibility(Scope.ACCOUNT)), now())
    other = await home.key_of("runs@example.com", *RUNS)
    async with listening(services.door(home.rooms)) as port, wire(port) as talk:
        talk.write(began(home, 1))
        talk.write(began(home, 3) + sent(3, step(0)))
        talk.write(began(home, 5) + sent(5, asked(1)))
        talk.write(began(home, 7, key=other) + sent(7, step(0, sequence_id={"int64_param": 8})))
        await ended(talk, 2)
        assert ["0", "1"] == sorted(talker.ids)

        talk.write(http2.reset(1, http2.ErrorCode.CANCEL))
        await ended(talk, 1)
    assert ["0", "0", "1"] == sorted(talker.ids)
