"""POST …/infer: the same answers whether the app or the fast path gives them."""

import gzip
import json
import uuid
import zlib

import pytest
import zstandard
from rooms.api.house import house
from rooms.api.oip.conftest import in_memory
from rooms.api.oip.served import Echo, publish, request, served

from headrace.api.oip import compress
from headrace.domain.account import Role, Status
from headrace.domain.errors import Invalid
from headrace.settings import AccountSettings, OipSettings

INFER = "/v2/models/echo/infer"


@pytest.mark.parametrize(
    "path",
    [
        INFER,
        INFER + "/",
        INFER + "?x=1&x=2",
        "/v2/models/echo/versions/1.0.0/infer",
        "/v2/models/echo/versions/1/infer",
        "/v2/models/%65cho/infer",
    ],
)
async def test_every_spelling_of_the_path(either, path):
    answer = await either.post(path, json=request())
    assert (200, "application/json") == (answer.status_code, answer.headers["content-type"])
    assert [1.0, 2.0, 3.0, 4.0] == answer.json()["outputs"][0]["data"]
    assert "nosniff" == answer.headers["x-content-type-options"]


@pytest.mark.parametrize("media_type", [None, "application/octet-stream", "multipart/form-data", "text/html"])
async def test_the_content_type_says_nothing(either, media_type):
    headers = {"Content-Type": media_type} if media_type else {}
    assert 200 == (await either.post(INFER, content=json.dumps(request()), headers=headers)).status_code


async def test_binary_is_what_the_header_says(either, echo):
    head = json.dumps({"inputs": [{"name": "IN", "parameters": {"binary_data_size": 4}}]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = await either.post(INFER, content=head + b"\x00\x01\x02\xff", headers=headers)

    length = int(answer.headers["inference-header-content-length"])
    assert b"\x00\x01\x02\xff" == answer.content[length:]
    assert "application/octet-stream" == answer.headers["content-type"]
    assert str(len(head)) == echo.questions[0].meta["json"]


@pytest.mark.parametrize(
    ("said", "told"), [("0", "0"), ("ten", "0"), ("-1", "-1"), ("9" * 40, "9" * 18), ("-" + "9" * 40, "9" * 18)]
)
async def test_a_length_that_is_no_number_is_zero(either, echo, said, told):
    await either.post(INFER, content=b"x", headers={"Inference-Header-Content-Length": said})
    assert told == echo.questions[0].meta["json"]


async def test_ids(either, echo):
    own = await either.post(INFER, json=request(id="42"), headers={"X-Request-Id": "mine"})
    assert ("42", "42") == (own.headers["x-request-id"], own.json()["id"])
    assert "mine" == echo.questions[0].meta["id"]
    sent = await either.post(INFER, json=request(), headers={"X-Request-Id": "x" * 300})
    assert "x" * 300 == sent.headers["x-request-id"] == sent.json()["id"]
    sent = await either.post(INFER, json=request(), headers={"X-Request-Id": "größe-漢".encode()})
    assert "größe-漢" == sent.json()["id"]
    assert "größe-漢".encode() == dict(sent.headers.raw)[b"x-request-id"]
    made = await either.post(INFER, json=request(), headers={"X-Request-Id": b"\xff"})
    assert 4 == uuid.UUID(made.headers["x-request-id"]).version


async def test_an_id_from_the_body_cannot_break_the_head(either):
    answer = await either.post(INFER, json=request(id="a\r\nSet-Cookie: x=1"), headers={"X-Request-Id": "safe"})
    assert (200, "safe") == (answer.status_code, answer.headers["x-request-id"])
    assert "set-cookie" not in answer.headers


async def test_a_media_type_from_a_replica_cannot_either(either):
    answer = await either.post(INFER, json=request(parameters={"media_type": "text/html\r\nSet-Cookie: x=1"}))
    assert "application/octet-stream" == answer.headers["content-type"]


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"fault": "request"}, 400),
        ({"fault": "model"}, 500),
        ({"fault": "model", "status": "418"}, 418),
        ({"fault": "model", "status": "200"}, 500),
        ({"fault": "model", "status": "evil"}, 500),
        ({"fault": "unsupported"}, 501),
    ],
)
async def test_what_a_replica_refuses(either, parameters, status):
    answer = await either.post(INFER, json=request(parameters=parameters))
    assert (status, {"error": "boom from model"}) == (answer.status_code, answer.json())
    assert "application/json" == answer.headers["content-type"]


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/v2/models/nope/infer", 404, "Request for unknown model: 'nope' is not found"),
        ("/v2/models/echo/versions/7/infer", 404, "Request for unknown model: 'echo' version 7 is not found"),
        ("/v2/models/echo/versions/abc/infer", 404, "Request for unknown model: 'echo' version abc is not found"),
        ("/v2/models/%ff/infer", 400, "the path is not UTF-8 after percent-decoding"),
        ("/v2/models//infer", 404, "Not Found"),
        ("/v2/models/echo/infer/more", 404, "Not Found"),
    ],
)
async def test_unknown_models(either, path, status, says):
    answer = await either.post(path, json=request())
    assert (status, {"error": says}) == (answer.status_code, answer.json())


async def test_a_wrong_method(either):
    answer = await either.get(INFER)
    assert (405, {"error": "Method Not Allowed"}, "POST") == (
        answer.status_code,
        answer.json(),
        answer.headers["allow"],
    )


async def test_keys(either, home):
    assert 401 == (await either.post(INFER, json=request(), headers={"Authorization": ""})).status_code
    other = "1" if home.key.endswith("0") else "0"
    wrong = await either.post(INFER, json=request(), headers={"Authorization": f"Bearer {home.key[:-1]}{other}"})
    assert (401, "ApiKey") == (wrong.status_code, wrong.headers["www-authenticate"])
    assert {"error"} == set(wrong.json())
    assert home.key[21:40] not in wrong.text
    other_team = await either.post(INFER, json=request(), headers={"Modzy-Team-Id": "other"})
    assert 403 == other_team.status_code


async def test_roles_and_visibility(either, home):
    auditor = await home.key_of("auditor@example.com", Role.AUDITOR)
    assert 403 == (await _as(either, auditor)).status_code
    stranger = await home.key_of("bob@example.com", Role.DEVELOPER)
    assert 404 == (await _as(either, stranger)).status_code


async def _as(client, key):
    return await client.post(INFER, json=request(), headers={"Authorization": f"ApiKey {key}"})


async def test_a_key_that_was_switched_off_opens_nothing_from_then_on(either, home):
    key = await home.key_of("bob@example.com", Role.DATA_SCIENTIST)
    assert 404 == (await _as(either, key)).status_code
    await home.rooms.keys.set_status(key.partition(".")[0], Status.INACTIVE)
    assert 401 == (await _as(either, key)).status_code


async def test_other_host_names(either):
    assert 421 == (await either.post(INFER, json=request(), headers={"Host": "evil.example"})).status_code


# packed bodies


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_packed_requests(either, coding, pack):
    body = pack(json.dumps(request()).encode())
    answer = await either.post(INFER, content=body, headers={"Content-Encoding": coding})
    assert (200, [1.0, 2.0, 3.0, 4.0]) == (answer.status_code, answer.json()["outputs"][0]["data"])


async def test_a_gzip_body_of_several_members(either):
    text = json.dumps(request()).encode()
    body = gzip.compress(text[:9]) + gzip.compress(b"") + gzip.compress(text[9:] + b" " * 200_000)
    answer = await either.post(INFER, content=body, headers={"Content-Encoding": "x-gzip"})
    assert (200, [1.0, 2.0, 3.0, 4.0]) == (answer.status_code, answer.json()["outputs"][0]["data"])


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize("more", [b"junk", b"\0" * 9, gzip.compress(b"", mtime=0) * 5_000])
async def test_what_follows_a_packed_body(either, coding, pack, more):
    body = pack(json.dumps(request()).encode()) + more
    answer = await either.post(INFER, content=body, headers={"Content-Encoding": coding})
    assert (400, True) == (answer.status_code, f"not {coding}" in answer.json()["error"])


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
async def test_other_packings(either, coding):
    answer = await either.post(INFER, content=b"x", headers={"Content-Encoding": coding})
    assert (501, "Unsupported compression type") == (answer.status_code, answer.json()["error"])
    assert "gzip, deflate" == answer.headers["accept-encoding"]


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"{}" * 500, mtime=0)[:-9], b""])
async def test_broken_gzip(either, body):
    answer = await either.post(INFER, content=body, headers={"Content-Encoding": "gzip"})
    assert (400, True) == (answer.status_code, "not gzip" in answer.json()["error"])


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("deflate, gzip", "deflate"),
        ("gzip;q=0.2, deflate;q=0.5", "deflate"),
        ("gzip;q=0.5, identity", None),
        ("gzip;q=0", None),
        ("gzip, deflate, br, zstd", "gzip"),
        ("br", None),
        ("*", None),
        ("identity", None),
    ],
)
async def test_packed_answers(either, accept, coding):
    answer = await either.post(INFER, json=request([1.5] * 500), headers={"Accept-Encoding": accept})
    assert coding == answer.headers.get("content-encoding")
    assert [1.5] * 500 == answer.json()["outputs"][0]["data"]


@pytest.mark.parametrize("accept", ["zstd", "gzip;q=0.5, zstd"])
async def test_zstd_for_who_lists_it_first(either, accept):
    headers = {"Accept-Encoding": accept}
    async with either.stream("POST", INFER, json=request([1.5] * 500), headers=headers) as answer:
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert "zstd" == answer.headers["content-encoding"]
    assert [1.5] * 500 == json.loads(zstandard.decompress(raw))["outputs"][0]["data"]


@pytest.mark.parametrize("agent", ["Python/3.11 aiohttp/3.13.2", "tritonclient"])
async def test_zstd_is_not_for_who_announces_it_without_meaning_it(either, agent):
    headers = {"Accept-Encoding": "zstd, gzip;q=0.5", "User-Agent": agent}
    answer = await either.post(INFER, json=request([1.5] * 500), headers=headers)
    assert "gzip" == answer.headers["content-encoding"]


async def test_only_a_good_answer_is_packed(either):
    everything = {"Accept-Encoding": "gzip, deflate"}
    long = await either.post(INFER + "/x" * 900, json=request(), headers=everything)
    assert (404, None) == (long.status_code, long.headers.get("content-encoding"))
    small = await either.post(INFER, json=request(), headers=everything)
    assert (200, None) == (small.status_code, small.headers.get("content-encoding"))


# limits


@pytest.mark.parametrize("way", ["app", "fast path"])
@pytest.mark.parametrize("packed", [False, True])
async def test_a_body_over_the_limit(tmp_path, way, packed):
    async with house(tmp_path, oip=OipSettings(body_limit=100_000)) as home:
        await publish(home, dialect=Echo())
        body = b" " * 100_001
        content, headers = (gzip.compress(body), {"Content-Encoding": "gzip"}) if packed else (body, {})
        async with _client(home, way) as client:
            answer = await client.post(INFER, content=content, headers=headers)
            assert (413, True) == (answer.status_code, "100000 bytes" in answer.json()["error"])
            assert 200 == (await client.post(INFER, json=request())).status_code


def _client(home, way):
    return in_memory(home) if way == "app" else _wired(home)


class _wired:  # noqa: N801 - used as a function
    def __init__(self, home):
        self._served = served(home)

    async def __aenter__(self):
        self._client = (await self._served.__aenter__()).client()
        return await self._client.__aenter__()

    async def __aexit__(self, *error):
        await self._client.__aexit__(*error)
        await self._served.__aexit__(*error)


async def test_the_requests_own_time_limit(either, home):
    """It ends the wait, and not the replica."""
    await publish(home, "asleep")  # nobody answers for it
    answer = await either.post("/v2/models/asleep/infer", json=request(parameters={"timeout": 20_000}))
    assert (503, "Request timeout expired") == (answer.status_code, answer.json()["error"])
    assert "retry-after" in answer.headers
    assert 200 == (await either.post(INFER, json=request(parameters={"timeout": 20_000_000}))).status_code


# without a key


async def test_open_doors(tmp_path):
    async with house(tmp_path, accounts=AccountSettings(open=True, admin_email="admin@example.com")) as home:
        await publish(home, dialect=Echo())
        for way in ("app", "fast path"):
            async with _client(home, way) as client:
                nobody = {"Authorization": ""}
                assert 200 == (await client.post(INFER, json=request(), headers=nobody)).status_code
                assert 200 == (await client.get("/v2/models/echo", headers=nobody)).status_code
                page = nobody | {"Origin": "https://evil.example"}
                assert 403 == (await client.post(INFER, json=request(), headers=page)).status_code
                wrong = {"Authorization": "ApiKey aaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}
                assert 401 == (await client.post(INFER, json=request(), headers=wrong)).status_code
                assert 403 == (await client.post("/v2/repository/models/echo/unload", headers=nobody)).status_code
                assert 401 == (await client.get("/api/models", headers=nobody)).status_code


async def test_the_key_as_pytriton_sends_it(home, either):
    token = {"Authorization": "", "triton-access-token": home.key}
    path = "/v2/models/echo/infer"
    assert 200 == (await either.post(path, json=request(), headers=token)).status_code
    assert 401 == (await either.post(path, json=request(), headers=token | {"triton-access-token": "a.b"})).status_code


@pytest.mark.parametrize("path", ["echo/infer", "echo/infer_stream"])
@pytest.mark.parametrize("way", ["app", "fast path"])
async def test_what_a_packed_body_grows_to_counts_for_all_together(tmp_path, path, way):
    large = json.dumps(request(note=" " * (6 << 20))).encode()
    async with house(tmp_path, oip=OipSettings(bodies_limit=4 << 20)) as home:
        await publish(home, dialect=Echo())
        async with served(home) as wire, wire.client() as near, in_memory(home) as app:
            client = app if way == "app" else near
            for body, status in ((gzip.compress(large), 503), (gzip.compress(large[:9] * 9), 400)):
                answer = await client.post(f"/v2/models/{path}", content=body, headers={"Content-Encoding": "gzip"})
                assert status == answer.status_code, answer.text
            assert 0 == home.rooms.bodies.held


async def test_a_large_body_counts_in_the_app_too(tmp_path):
    async with house(tmp_path, oip=OipSettings(bodies_limit=4 << 20)) as home:
        await publish(home, dialect=Echo())
        async with in_memory(home) as app:
            for size, status in ((6 << 20, 503), (3 << 20, 200), (3 << 20, 200)):
                answer = await app.post("/v2/models/echo/infer_stream", json=request(note=" " * size))
                assert status == answer.status_code, answer.text
        assert 0 == home.rooms.bodies.held


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (5 << 20) + 7])
@pytest.mark.parametrize("content", [bytes(range(256)), b"a"])
async def test_packed_bodies_of_any_size(size, content):
    plain = (content * (size // len(content) + 1))[:size]
    held = []
    for coding, packed, more in (("gzip", gzip.compress(plain), b""), ("deflate", zlib.compress(plain), b""),
                                 ("gzip", gzip.compress(plain) + gzip.compress(b"more"), b"more")):  # fmt: skip
        assert plain + more == await compress.unpacked(packed, coding, 6 << 20, held.append)
        for cut in (packed[:-1], packed[: len(packed) // 2]):
            with pytest.raises(Invalid, match="too early"):
                await compress.unpacked(cut, coding, 6 << 20, held.append)
