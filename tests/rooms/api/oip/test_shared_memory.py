"""Shared memory with clients: what may be registered, who sees it, and that a wrong region is never our fault (5xx)."""

import json
import os
import secrets
import struct
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from rooms.api.house import RUNS, house
from rooms.api.oip.conftest import in_memory
from rooms.api.oip.served import Echo, answered, publish, served

from headrace.api.callers import Callers
from headrace.api.regions import FOLDER
from headrace.domain.errors import Invalid
from headrace.domain.tensor import TensorModel, TensorSpec
from headrace.settings import OipSettings, ServerSettings, Settings

MARK = f"oip_{secrets.token_hex(6)}_"
SYSTEM = "/v2/systemsharedmemory"
TENSORS = TensorModel("echo", (TensorSpec("IN", "FP32", (-1, 4)),), (TensorSpec("OUT", "FP32", (-1, 4)),), 8)
ROW = struct.pack("<4f", 1, 2, 3, 4)


@pytest.fixture
def files():
    """Makes files of /dev/shm, and takes them away again."""

    def made(name: str, content: bytes) -> Path:
        path = FOLDER / f"{MARK}{name}"
        path.write_bytes(content)
        return path

    yield made
    for path in FOLDER.glob(f"{MARK}*"):
        path.unlink()


@pytest.fixture
async def home(tmp_path):
    async with house(tmp_path, oip=OipSettings(shared_memory="/oip_")) as found:
        await publish(found, tensors=TENSORS, dialect=Echo())
        yield found


@pytest.fixture
async def wire(home):
    async with served(home) as found:
        yield found


@pytest.fixture
async def client(wire):
    async with wire.client() as found:
        yield found


@asynccontextmanager
async def region(client, files, name="in", content=ROW, **more):
    path = files(name, content)
    body = {"key": f"/{path.name}", "byte_size": len(content)} | more
    answer = await client.post(f"{SYSTEM}/region/{name}/register", json=body)
    assert (200, b"") == (answer.status_code, answer.content)
    yield path
    await client.post(f"{SYSTEM}/region/{name}/unregister")


def where(name, size, offset=None):
    said = {"shared_memory_region": name, "shared_memory_byte_size": size}
    return said if offset is None else said | {"shared_memory_offset": offset}


def asks(place, outputs=None, **more):
    one = {"name": "IN", "shape": [1, 4], "datatype": "FP32", "parameters": place}
    return {"id": "7", "inputs": [one], **({"outputs": outputs} if outputs else {}), **more}


async def infer(client, body, **headers):
    return await client.post("/v2/models/echo/infer", json=body, headers=headers)


async def test_regions_are_shown_and_forgotten(client, files):
    async with region(client, files, "a", b"x" * 100, offset=4, byte_size=96) as path:
        told = {"name": "a", "key": f"/{path.name}", "offset": 4, "byte_size": 96}
        assert [told] == (await client.get(f"{SYSTEM}/status")).json()
        assert [told] == (await client.get(f"{SYSTEM}/region/a/status")).json()
        again = await client.post(f"{SYSTEM}/region/a/register", json={"key": f"/{path.name}", "byte_size": 1})
        assert (400, "shared memory region 'a' already in manager") == (again.status_code, again.json()["error"])
    assert [] == (await client.get(f"{SYSTEM}/status")).json()
    unknown = await client.get(f"{SYSTEM}/region/a/status")
    assert (404, "Unable to find system shared memory region: 'a'") == (unknown.status_code, unknown.json()["error"])
    assert 200 == (await client.post(f"{SYSTEM}/unregister")).status_code


async def test_what_may_not_be_registered(client, files, tmp_path):
    fine = files("fine", b"x" * 10)
    (tmp_path / "outside").write_bytes(b"secret")
    (FOLDER / f"{MARK}link").symlink_to(tmp_path / "outside")
    os.mkfifo(FOLDER / f"{MARK}pipe")
    wrong = [
        ({}, "Shared memory register request has no 'key' field"),
        ({"key": "/nope", "byte_size": 1}, "the key '/nope' is not allowed"),
        ({"key": f"/../shm/{fine.name}", "byte_size": 1}, "is not allowed"),
        ({"key": "///", "byte_size": 1}, "is not allowed"),
        ({"key": "", "byte_size": 1}, "is not allowed"),
        ({"key": "/oip_..", "byte_size": 1}, "Unable to open"),
        ({"key": "/oip_/etc/passwd", "byte_size": 1}, "is not allowed"),
        ({"key": f"/{MARK}nope", "byte_size": 1}, "Unable to open shared memory region"),
        ({"key": f"/{MARK}link", "byte_size": 1}, "Unable to open shared memory region"),
        ({"key": f"/{MARK}pipe", "byte_size": 1}, "Unable to open shared memory region"),
        ({"key": f"/{fine.name}", "byte_size": 11}, "invalid args"),
        ({"key": f"/{fine.name}", "byte_size": 10, "offset": 1}, "invalid args"),
        ({"key": f"/{fine.name}", "byte_size": 0}, "invalid args"),
        ({"key": f"/{fine.name}", "byte_size": -5}, "invalid args"),
        ({"key": f"/{fine.name}", "byte_size": 2**63}, "invalid args"),
        ({"key": f"/{fine.name}", "byte_size": "x"}, "byte_size"),
    ]
    for body, says in wrong:
        answer = await client.post(f"{SYSTEM}/region/r/register", json=body)
        assert (400, True) == (answer.status_code, says in answer.json()["error"]), (body, answer.text)


async def test_tensors_come_from_a_region(client, files):
    async with region(client, files, content=b"abcd" + ROW):
        answer = await infer(client, asks(where("in", 16, 4), parameters={"binary_data_output": True}))
    length = int(answer.headers["inference-header-content-length"])
    assert ROW == answer.content[length:]
    assert "7" == json.loads(answer.content[:length])["id"]


async def test_outputs_go_to_a_region(client, files):
    async with region(client, files), region(client, files, "out", bytes(40)) as out:
        wanted = [{"name": "OUT", "parameters": where("out", 32, 8)}]
        answer = await infer(client, asks(where("in", 16), wanted))
        assert (200, "application/json") == (answer.status_code, answer.headers["content-type"]), answer.text
        assert "inference-header-content-length" not in answer.headers
        [told] = answer.json()["outputs"]
        assert bytes(8) + ROW + bytes(16) == out.read_bytes()
    assert where("out", 16, 8) == told["parameters"]
    assert "data" not in told


async def test_regions_and_bytes_in_one_request(home, client, files):
    two = TensorModel("echo", (TensorSpec("A", "FP32", (-1, 4)), TensorSpec("B", "FP32", (-1, 4))), (), 8)
    await publish(home, "two", tensors=two, dialect=Echo())
    inputs = [
        {"name": "A", "shape": [1, 4], "datatype": "FP32", "parameters": {"binary_data_size": 16}},
        {"name": "B", "shape": [1, 4], "datatype": "FP32", "parameters": where("in", 16)},
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"note": 1 << 60}}).encode()
    async with region(client, files):
        headers = {"Inference-Header-Content-Length": str(len(head))}
        answer = await client.post("/v2/models/two/infer", content=head + bytes(16), headers=headers)
    length = int(answer.headers["inference-header-content-length"])
    assert bytes(16) + ROW == answer.content[length:]


async def test_a_wrong_region_is_the_requests_fault(client, files):
    async with region(client, files), region(client, files, "small", bytes(8)):
        wrong = [
            (404, "Unable to find shared memory region: 'nope'", asks(where("nope", 16))),
            (400, "Invalid offset + byte size", asks(where("in", 17))),
            (400, "Invalid offset + byte size", asks(where("in", 16, 2**62))),
            (400, "two whole numbers", asks(where("in", -1))),
            (400, "two whole numbers", asks(where(7, 1))),
            (404, "Unable to find", asks(where("in", 16), [{"name": "OUT", "parameters": where("nope", 16)}])),
            (400, "should be at least 16", asks(where("in", 16), [{"name": "OUT", "parameters": where("small", 8)}])),
            (400, "inputs", {"inputs": {"parameters": where("in", 16)}}),
            (400, "parameters", {"inputs": [{"parameters": "shared_memory_region"}], "shared_memory_region": 1}),
        ]
        for status, says, body in wrong:
            answer = await infer(client, body)
            assert (status, True) == (answer.status_code, says in answer.json()["error"]), (body, answer.text)


async def test_a_file_that_became_smaller_does_not_end_the_server(client, files):
    async with region(client, files) as path:
        path.write_bytes(b"short")
        answer = await infer(client, asks(where("in", 16)))
        assert (400, True) == (answer.status_code, "has become smaller" in answer.json()["error"])
        wanted = [{"name": "OUT", "parameters": where("in", 16)}]
        inputs = [{"name": "IN", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]
        assert (await infer(client, {"inputs": inputs, "outputs": wanted})).status_code < 500
        assert b"short" == path.read_bytes()


async def test_a_region_that_is_named_often_does_not_make_a_request_larger_than_it_may_be(tmp_path, files):
    async with house(tmp_path, oip=OipSettings(shared_memory="/oip_", body_limit=2_000)) as home:
        await publish(home, tensors=TENSORS, dialect=Echo())
        async with served(home) as wire, wire.client() as client, region(client, files, content=bytes(1_000)):
            answer = await infer(client, {"inputs": asks(where("in", 1_000))["inputs"] * 3})
            assert (413, True) == (answer.status_code, "2000 bytes" in answer.json()["error"]), answer.text


class Held(Echo):
    """Notes how many bytes of requests count while it is asked."""

    def __init__(self):
        super().__init__()
        self.bodies, self.held = None, []

    async def run(self, questions, _timeout):
        self.held.append(self.bodies.held)
        for _ in questions:
            yield answered(b"{}", {})


@pytest.fixture
async def held(tmp_path):
    """Room for four regions of all requests together, and what stands around them; each request may have ten."""
    said = OipSettings(shared_memory="/oip_", body_limit=1_000_000, bodies_limit=410_000)
    async with house(tmp_path, oip=said) as home:
        dialect = Held()
        dialect.bodies = home.rooms.bodies
        await publish(home, tensors=TENSORS, dialect=dialect)
        await publish(home, "streams", tensors=replace(TENSORS, streams="also"), dialect=dialect)
        yield home, dialect


WAYS = [
    ("fast path", "echo/infer"),
    ("app", "echo/infer"),
    ("app", "echo/infer_stream"),
    ("app", "streams/infer_stream"),
]


@pytest.mark.parametrize(("by", "path"), WAYS)
async def test_the_regions_of_all_requests_count_together(held, files, by, path):
    home, dialect = held
    async with (
        served(home) as wire,
        wire.client() as near,
        in_memory(home) as app,
        region(near, files, content=bytes(100_000)),
    ):
        client = near if by == "fast path" else app
        one = asks(where("in", 100_000))["inputs"]
        bodies = [json.dumps({"inputs": one * times}) for times in (3, 5)]
        fits, not_so = [await client.post(f"/v2/models/{path}", content=body) for body in bodies]
    assert (200, [300_000 + len(bodies[0])]) == (fits.status_code, dialect.held), fits.text
    assert (503, "too many large requests are on their way in: try again later") == (
        not_so.status_code,
        not_so.json()["error"],
    )
    assert "retry-after" in not_so.headers
    assert 0 == home.rooms.bodies.held


async def test_nobody_sees_the_regions_of_others(home, wire, client, files):
    """Another key of the same team sees them; without a key there is nothing."""
    key = await home.key_of("runs@example.com", *RUNS)
    async with region(client, files), wire.client(key) as other:
        assert 1 == len((await other.get(f"{SYSTEM}/status")).json())
        assert 401 == (await other.get(f"{SYSTEM}/status", headers={"Authorization": ""})).status_code
    regions = home.rooms.regions
    path = files("theirs", b"x" * 10)
    regions.register("another team", "r", path.name, 0, 10)
    assert [] == (await client.get(f"{SYSTEM}/status")).json()
    assert 404 == (await infer(client, asks(where("r", 10)))).status_code
    await client.post(f"{SYSTEM}/unregister")
    assert 1 == len(list(regions.of("another team")))
    regions.unregister("another team")


async def test_only_so_many(home, files):
    path, regions = files("many", b"x"), home.rooms.regions
    for number in range(256):
        regions.register("t", str(number), path.name, 0, 1)
    with pytest.raises(Exception, match="256 shared memory regions are registered"):
        regions.register("t", "more", path.name, 0, 1)
    regions.unregister("t")
    assert [] == list(regions.of("t"))


async def test_events_are_not_put_there(home, client, files):
    streams = TensorModel("echo", TENSORS.inputs, TENSORS.outputs, 8, streams="also")
    await publish(home, "streams", tensors=streams, dialect=Echo())
    async with region(client, files):
        body = asks(where("in", 16), [{"name": "OUT", "parameters": where("in", 16)}])
        answer = await client.post("/v2/models/streams/infer_stream", json=body)
    assert (400, True) == (answer.status_code, "events" in answer.json()["error"])


async def test_it_is_told_among_the_extensions(client):
    assert "system_shared_memory" in (await client.get("/v2")).json()["extensions"]


async def test_what_has_no_name_is_not_registered(client):
    answer = await client.post(f"{SYSTEM}/register", json={"key": "/x", "byte_size": 8})
    expected = {"error": "'region name' is necessary to register system shared memory region"}
    assert (400, expected) == (answer.status_code, answer.json())
    assert 501 == (await client.post("/v2/cudasharedmemory/register", json={})).status_code


async def test_cuda_is_refused_clearly(client):
    body = {"raw_handle": {"b64": "AA=="}, "device_id": 0, "byte_size": 1}
    answer = await client.post("/v2/cudasharedmemory/region/r/register", json=body)
    assert (501, True) == (answer.status_code, "CUDA shared memory is not supported" in answer.json()["error"])
    assert [] == (await client.get("/v2/cudasharedmemory/status")).json()


async def test_it_is_off_unless_it_is_wanted(tmp_path):
    async with house(tmp_path) as home:
        await publish(home, dialect=Echo())
        transport = httpx2.ASGITransport(home.app)
        headers = {"Authorization": f"ApiKey {home.key}"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            refused = await client.post(f"{SYSTEM}/region/r/register", json={"key": "/x", "byte_size": 1})
            assert "system_shared_memory" not in (await client.get("/v2")).json()["extensions"]
        assert (501, True) == (refused.status_code, "oip.shared_memory" in refused.json()["error"])


def test_it_is_for_loopback_only(tmp_path):
    settings = Settings(tmp_path, server=ServerSettings(host="0.0.0.0"), oip=OipSettings(shared_memory="/"))
    with pytest.raises(Invalid, match="only for loopback addresses"):
        Callers(None, settings)
