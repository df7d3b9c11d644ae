"""Multipart bodies as the clients send them, in pieces of any size, and broken ones."""

import pytest

from headrace.api.multipart import Multipart
from headrace.domain.errors import Invalid

FORM = (
    b"--xx\r\n"
    b'Content-Disposition: form-data; name="description"\r\n\r\n'
    b"my model\r\n"
    b"--xx\r\n"
    b'Content-Disposition: form-data; name="input"; filename="in put.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\n"
    b"first\r\n--x\r\nlast\r\n"
    b"--xx--\r\n"
)


async def _pieces(body, size):
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def _read(body, name, size=7, content_type="multipart/form-data; boundary=xx"):
    part = await Multipart(_pieces(body, size), content_type).part(name)
    return part, b"".join([piece async for piece in part.pieces])


@pytest.mark.parametrize("size", [1, 2, 7, 64, 4096])
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=xx", 'multipart/mixed; boundary="xx"'])
async def test_the_part_comes_whole_however_it_is_cut(size, kind):
    part, content = await _read(FORM, "input", size, kind)
    assert ("in put.txt", {"description": "my model"}) == (part.filename, part.fields)
    assert b"first\r\n--x\r\nlast" == content


async def test_an_empty_part_is_empty():
    empty = b'--xx\r\nContent-Disposition: form-data; name="input"\r\n\r\n\r\n--xx--\r\n'
    assert b"" == (await _read(empty, "input"))[1]


async def test_a_missing_part_is_named_with_those_that_came():
    with pytest.raises(Invalid, match="a part named `file`; its parts: description, input"):
        await _read(FORM, "file")


@pytest.mark.parametrize("end", [1, 40, 70, 120, 180, len(FORM) - 14])
async def test_a_body_that_was_cut_off_is_refused(end):
    with pytest.raises(Invalid, match=r"cut off|cannot be read"):
        await _read(FORM[:end], "input")


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary="]
)
async def test_a_body_that_is_not_multipart(content_type):
    with pytest.raises(Invalid, match="should be multipart/form-data"):
        await _read(FORM, "input", content_type=content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"hello, no boundary at all",
        b"--xx\r\n" + b"A" * 10_000 + b": b\r\n\r\nx\r\n--xx--",
        b"--xx\r\n" + b"a: b\r\n" * 1_000 + b"\r\nx\r\n--xx--",
        b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 1_000 + b"--xx--",
        b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"x" * 100_000 + b"\r\n--xx--",
    ],
)
async def test_garbage_and_floods_are_refused(body):
    with pytest.raises(Invalid):
        await _read(body, "input", 4096)
