"""The h2 package as the peer: what it takes for right comes back as it was sent, however windows and frames are cut."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms.api.grpc.peers import message, served

connection = pytest.importorskip("h2.connection")
config = pytest.importorskip("h2.config")
events = pytest.importorskip("h2.events")
h2_settings = pytest.importorskip("h2.settings")

HEADERS = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/t/Echo"),
    (":authority", "x"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]

PADDING = 8  # bytes of padding and its length


class Peer:
    """Sends all calls at once, in pieces; opens its windows by what it has read."""

    def __init__(self, bodies, window, piece):
        self.h2 = connection.H2Connection(config.H2Configuration(client_side=True))
        self.left = {number * 2 + 1: message(body) for number, body in enumerate(bodies)}
        self.got = dict.fromkeys(self.left, b"")
        self.status = {}
        self.piece = piece
        self.h2.initiate_connection()
        codes = h2_settings.SettingCodes
        self.h2.update_settings({codes.INITIAL_WINDOW_SIZE: window})
        for number in self.left:
            self.h2.send_headers(number, [*HEADERS, ("x-number", str(number))])

    async def talk(self, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(5):
                while len(self.status) < len(self.got):
                    while self.send():
                        pass
                    writer.write(self.h2.data_to_send())
                    self.take(await reader.read(65_536))
        finally:
            writer.close()

    def send(self):
        """One piece of each call; False when the windows let nothing through."""
        sent = False
        for number, left in list(self.left.items()):
            room, largest = self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size
            pad = 7 if number % 4 == 1 and min(room, largest) > PADDING else None
            size = min(room, largest, self.piece + PADDING, len(left) + PADDING) - (PADDING if pad else 0)
            size = min(size, len(left))
            if size:
                self.left[number] = left[size:]
                self.h2.send_data(number, left[:size], end_stream=not self.left[number], pad_length=pad)
                sent = True
            if not self.left[number]:
                del self.left[number]
        return sent

    def take(self, data):
        for event in self.h2.receive_data(data):
            match event:
                case events.DataReceived():
                    self.got[event.stream_id] += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case events.TrailersReceived():
                    self.status[event.stream_id] = dict(event.headers)[b"grpc-status"]
                case events.ConnectionTerminated() | events.StreamReset():
                    raise AssertionError(event)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 200) | st.integers(0, 400_000), min_size=1, max_size=12),
    st.sampled_from([1_000, 65_535, 1 << 20]),
    st.sampled_from([1_000, 16_384, 100_000]),
)
def test_every_answer_is_its_question(sizes, window, piece):
    bodies = [bytes([number + 1]) * size for number, size in enumerate(sizes)]

    async def run():
        peer = Peer(bodies, window, piece)
        async with served() as door:
            await peer.talk(door.port)
        return peer

    peer = asyncio.run(run())

    assert [message(body) for body in bodies] == list(peer.got.values())
    assert {b"0"} == set(peer.status.values())
