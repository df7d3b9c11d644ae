"""What a body may cost."""

import asyncio

import pytest
from starlette.requests import Request

from headrace.api.bodies import Bodies
from headrace.api.errors import Problem
from headrace.api.limits import body_pieces, whole_body
from headrace.domain.errors import Invalid, TooLarge


def _request(pieces, pause=0.0, **headers):
    left = list(pieces)

    async def receive():
        if pause and left:
            await asyncio.sleep(pause)
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


async def test_within_its_limit():
    assert b"abcdef" == await whole_body(_request([b"abc", b"", b"def"], content_length="6"), Bodies().room(), 6, 1)


async def test_too_large_by_its_own_word_before_anything_is_read():
    request = _request([], content_length="7")  # reading would fail: there is nothing to pop
    with pytest.raises(TooLarge, match="larger than the 6 bytes"):
        await whole_body(request, Bodies().room(), 6, 1)


async def test_too_large_whatever_it_says():
    pieces = body_pieces(_request([b"abc", b"def", b"g", b"never"], content_length="1"), 6, 1)
    assert [b"abc", b"def"] == [await anext(pieces), await anext(pieces)]
    with pytest.raises(TooLarge):
        await anext(pieces)


async def test_too_slow():
    with pytest.raises(Problem) as told:
        await whole_body(_request([b"a", b"b"], pause=1.0), Bodies().room(), 6, 0.01)
    assert 408 == told.value.status


async def test_a_drip_is_too_slow_too():
    with pytest.raises(Problem) as told:
        await whole_body(_request([b"a"] * 100, pause=0.01), Bodies().room(), 1000, 0.05)
    assert 408 == told.value.status


async def test_a_packed_body_is_not_unpacked():
    with pytest.raises(Problem) as told:
        await whole_body(_request([b"a"], content_encoding="gzip"), Bodies().room(), 6, 1)
    assert 415 == told.value.status


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "٣"])
async def test_a_length_that_is_none(length):
    with pytest.raises((Invalid, UnicodeEncodeError)):
        await whole_body(_request([b"a"], content_length=length.encode().decode("latin-1")), Bodies().room(), 6, 1)
