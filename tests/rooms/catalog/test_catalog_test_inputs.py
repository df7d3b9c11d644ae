"""Test inputs: small ones in the row, large ones by name, one for each input."""

import pytest

from headrace.catalog.kept_blobs import kept_blobs
from headrace.catalog.test_inputs import MOST, TestInputs
from headrace.domain.body import BlobRef
from headrace.domain.errors import Invalid, NotFound
from headrace.domain.ids import VersionKey


@pytest.fixture
def inputs(database):
    return TestInputs(database)


@pytest.fixture
def key(model):
    return VersionKey(model.identifier, "1.0.0")


async def test_bodies_come_back_by_input_name(inputs, key, database):
    large = BlobRef("d" * 64, 10**9)
    await inputs.put(key, "input.txt", "hello.txt", b"hello")
    await inputs.put(key, "empty", "", b"")
    await inputs.put(key, "image", "cat.png", large)

    assert {"input.txt": b"hello", "empty": b"", "image": large} == await inputs.all(key)
    assert {"input.txt": "hello.txt", "empty": "", "image": "cat.png"} == await inputs.filenames(key)
    assert {"d" * 64} == await database.read(kept_blobs)


async def test_a_second_file_takes_the_place_of_the_first(inputs, key, database):
    await inputs.put(key, "image", "cat.png", BlobRef("d" * 64, 10**9))
    await inputs.put(key, "image", "dog.png", b"dog")

    assert ({"image": b"dog"}, {"image": "dog.png"}) == (await inputs.all(key), await inputs.filenames(key))
    assert set() == await database.read(kept_blobs)


async def test_they_belong_to_one_version(inputs, key, versions):
    other = VersionKey(key.model, "2.0.0")
    await versions.create(other, "a@b.c", 1)
    await inputs.put(key, "x", "x", b"1")
    await inputs.put(other, "x", "x", b"2")

    await inputs.remove(key, "x")

    assert ({}, {"x": b"2"}) == (await inputs.all(key), await inputs.all(other))
    with pytest.raises(NotFound, match="Test input x of version 1"):
        await inputs.remove(key, "x")


async def test_an_unknown_version_has_none(inputs, key):
    with pytest.raises(NotFound, match="Version 9"):
        await inputs.put(VersionKey(key.model, "9.0.0"), "x", "x", b"1")
    assert {} == await inputs.all(VersionKey("nowhere", "9.0.0"))


@pytest.mark.parametrize(
    ("name", "filename"), [("", "x"), ("x" * 256, "x"), ("a\nb", "x"), ("x", "a\x00b"), ("x", "y" * 256)]
)
async def test_names_that_cannot_be_shown_are_refused(inputs, key, name, filename):
    with pytest.raises(Invalid, match="printable"):
        await inputs.put(key, name, filename, b"1")


async def test_there_is_an_end_to_them(inputs, key):
    for number in range(MOST):
        await inputs.put(key, str(number), "x", b"1")

    with pytest.raises(Invalid, match="at most"):
        await inputs.put(key, "one more", "x", b"1")
    await inputs.put(key, "0", "x", b"2")
    assert MOST == len(await inputs.all(key))
