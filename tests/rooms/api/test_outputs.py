"""What an output becomes in JSON: as it is, a string, or the URL of its bytes."""

import msgspec
import pytest

from headrace.api.modzy import outputs
from headrace.api.modzy.shapes.results import output_url
from headrace.domain.body import BlobRef
from headrace.domain.errors import NotFound
from headrace.domain.question import Output
from headrace.storage.blobs import FolderBlobs

JSON, TEXT, BINARY = "application/json", "text/plain", "application/octet-stream"


@pytest.fixture
def store(tmp_path):
    return FolderBlobs(tmp_path, b"k" * 32)


async def _once(content):
    yield content


async def _shown(output, store):
    found = await outputs.shown({"x": output}, lambda name: f"url of {name}", store)
    return msgspec.json.decode(msgspec.json.encode(found))["x"]


@pytest.mark.parametrize(
    ("content", "media_type", "expected"),
    [
        (b'{"a": [1, 2]}', JSON, {"a": [1, 2]}),
        (b"[1]", "application/json; charset=utf-8", [1]),
        (b'{"b":1}', "application/geo+json", {"b": 1}),
        (b"NaN", JSON, "NaN"),
        (b'{"a":', JSON, '{"a":'),
        (b"", JSON, ""),
        (b"[" * 100_000 + b"]" * 100_000, JSON, "[" * 100_000 + "]" * 100_000),
        ("ä\n".encode(), TEXT, "ä\n"),
        (b'{"a":1}', TEXT, '{"a":1}'),
        (b'"\xff"', JSON, "url of x"),
        (b"\xff", TEXT, "url of x"),
        (b"plain", BINARY, "url of x"),
        (b"plain", "", "url of x"),
    ],
)
async def test_by_media_type_and_content(content, media_type, expected, store):
    assert expected == await _shown(Output(content, media_type), store)
    ref = await store.put(_once(content), 1 << 20)
    assert expected == await _shown(Output(ref, media_type), store)


async def test_what_is_gone_or_huge_is_a_url(store):
    assert "url of x" == await _shown(Output(BlobRef("ab" * 32, 10), JSON), store)
    ref = await store.put(_once(b"1"), 10)
    assert "url of x" == await _shown(Output(BlobRef(ref.digest, outputs.INLINE_LIMIT + 1), JSON), store)


async def test_a_download_that_cannot_begin_is_an_error_and_not_a_broken_answer(store):
    with pytest.raises(NotFound, match="no longer stored"):
        await outputs.download("x", Output(BlobRef("ab" * 32, 10), BINARY), store)


@pytest.mark.parametrize(
    ("media_type", "saved"),
    [(JSON, False), (TEXT, False), ("image/png", False), ("image/svg+xml", True), ("text/html", True), ("", True)],
)
async def test_what_a_browser_would_run_is_saved_instead(media_type, saved, store):
    answer = await outputs.download("a b.x", Output(b"x", media_type), store)
    assert saved == (answer.headers.get("content-disposition") == "attachment; filename*=UTF-8''a%20b.x")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a", "a/out.bin"),
        ("a/b ä", "a%2Fb%20%C3%A4/out.bin"),
        ("", "/out.bin"),
        ("datasource", "datasource/datasource/output/out.bin"),
        ("vote", "datasource/vote/output/out.bin"),
    ],
)
def test_the_url_of_an_output(name, path):
    assert f"http://h/api/results/j/{path}" == output_url("http://h", "j", name, "out.bin")
