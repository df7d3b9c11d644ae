"""What the operator may want besides, over gRPC: metadata for models, and MLServer's trailing metadata."""

import json

import pytest
from rooms.api.grpc.test_services import Echo, Stub, model, opened, request  # noqa: F401 - fixtures
from rooms.api.house import house

from headrace.api.oip.grpc import services
from headrace.settings import OipSettings


class Listener(Echo):
    def __init__(self):
        super().__init__()
        self.heard = []

    async def run(self, questions, timeout):
        self.heard += [dict(question.meta) for question in questions]
        async for answer in super().run(questions, timeout):
            yield answer


@pytest.fixture
async def home(tmp_path, monkeypatch):
    monkeypatch.setattr("rooms.api.grpc.test_services.Echo", Listener)
    oip = OipSettings(forward_headers="x-user", cloudevents_headers=True, server_name="mls")
    async with house(tmp_path, oip=oip) as found:
        yield found


async def test_models_see_metadata_and_callers_get_trailing_metadata(home, model):  # noqa: F811, ARG001 - the fixtures
    async with opened(home) as channel:
        triton = Stub(channel, home.key, services.OIP)
        triton.metadata = (*triton.metadata, ("x-user", "ann"), ("x-other", "no"))
        call = triton.ModelInfer(request("42"))
        assert "42" == (await call).id
        trailing = dict(await call.trailing_metadata())
        nameless = triton.ModelInfer(request())
        await nameless
    heard = home.talker.heard
    assert [{"x-user": "ann"}] * 2 == [json.loads(meta["headers"]) for meta in heard]
    assert ("42", "iris", "io.seldon.serving.deployment.mls", "0.3") == tuple(
        trailing[f"ce-{name}"] for name in ("id", "modelid", "source", "specversion")
    )
    assert "ce-id" not in dict(await nameless.trailing_metadata())


async def test_without_the_settings_there_is_none_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr("rooms.api.grpc.test_services.Echo", Listener)
    async with house(tmp_path) as home, home.client() as http, opened(home) as channel:
        home.talker = Listener()
        await home.publish(http, "iris")
        call = Stub(channel, home.key, services.OIP).ModelInfer(request("42"))
        await call
        assert () == tuple(await call.trailing_metadata())
    assert ["headers" in meta for meta in home.talker.heard] == [False]
