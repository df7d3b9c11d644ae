"""What a model says of itself when it is loaded, and what of that is refused."""

import socket

import pytest

from headrace.dialects.frames import Frames
from headrace.dialects.framing import READY, frame_start
from headrace.domain.errors import ModelFailed
from headrace.storage.blobs import FolderBlobs


async def loaded(tmp_path, **tensors):
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(frame_start(READY, {"tensors": {"platform": "mlserver", **tensors}}))
        frames = Frames(ours, FolderBlobs(tmp_path, b"k" * 32), 1_000)
        try:
            return await frames.ready(30)
        finally:
            frames.close()


async def test_routes_are_told(tmp_path):
    info = await loaded(tmp_path, routes=[["POST", "/invocations"]])
    assert (("POST", "/invocations"),) == info.tensors.routes


async def test_a_path_of_the_server_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(ModelFailed, match="its handler GET /v2/health/live has a path that belongs to the server"):
        await loaded(tmp_path, routes=[["POST", "/good"], ["GET", "/v2/health/live"]])
