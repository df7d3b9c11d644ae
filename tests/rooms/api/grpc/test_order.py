"""Requests that come together reach the model in the order in which they came, also when everything has to be read."""

from dataclasses import replace

import pytest
from rooms.api.grpc.peers import listening, message, wire
from rooms.api.grpc.peers import request as headers
from rooms.api.grpc.test_services import TENSORS, Echo, request
from rooms.api.house import change_everything, reads_end_in_any_order

from headrace.api.oip.grpc import http2, services
from headrace.api.oip.proto import inference_pb2 as pb
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey

MANY, ROUNDS = 40, 3


class Noting(Echo):
    """Notes what it is asked."""

    def __init__(self):
        super().__init__()
        self.ids = []

    def _answer(self, request):
        self.ids.append(request.id)
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


def began(home, number, method):
    block = headers(f"/{services.OIP}/{method}", (b"authorization", f"ApiKey {home.key}".encode()))
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
                    talk.write(began(home, 2 * number + 1, "ModelInfer") + sent(2 * number + 1, said))
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
