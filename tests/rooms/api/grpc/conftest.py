"""A door with a few methods on a free port, and a real gRPC client for it."""

import grpc.aio
import pytest
from rooms.api.grpc.peers import served


@pytest.fixture
async def door():
    async with served() as found:
        yield found


@pytest.fixture
async def channel(door):
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{door.port}", options=options) as found:
        yield found
