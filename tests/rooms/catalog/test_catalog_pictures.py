"""Pictures: taken by their content, refused with the figure that is wrong."""

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from headrace.catalog.kept_blobs import kept_blobs
from headrace.catalog.pictures import LARGEST, Pictures, examine
from headrace.domain.errors import Invalid, NotFound, TooLarge
from headrace.storage.blobs import FolderBlobs

NOW = 1_700_000_000_000


def picture(width, height, kind="PNG"):
    data = BytesIO()
    Image.new("RGB", (width, height), "orange").save(data, kind)
    return data.getvalue()


async def pieces(data, size=1000):
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.fixture
def store(tmp_path):
    return FolderBlobs(tmp_path, b"k" * 32)


@pytest.fixture
def pictures(models, store):
    return Pictures(models, store)


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
@pytest.mark.parametrize(("width", "height"), [(1024, 576), (1440, 1024), (2000, 1125)])
async def test_a_picture_becomes_thumbnail_card_and_background(pictures, model, kind, media_type, width, height):
    data = picture(width, height, kind)

    changed = await pictures.keep(model.identifier, pieces(data), "", NOW + 1)

    assert ["thumbnail", "card", "background"] == [one.relation for one in changed.pictures]
    for relation in ("thumbnail", "card", "background"):
        kept, again = pictures.pieces(changed, relation)
        assert (media_type, width, height, len(data), "Echo") == (
            kept.media_type, kept.width, kept.height, kept.size, kept.caption,
        )  # fmt: skip
        assert data == b"".join([piece async for piece in again])


async def test_a_second_picture_takes_the_place_of_the_first(pictures, model, database):
    first = await pictures.keep(model.identifier, pieces(picture(1024, 576)), "one", NOW)
    second = await pictures.keep(model.identifier, pieces(picture(1025, 577)), "two", NOW)

    assert ["two"] * 3 == [one.caption for one in second.pictures]
    assert {second.pictures[0].digest} == await database.read(kept_blobs) != {first.pictures[0].digest}


async def test_a_model_without_a_picture(pictures, model):
    with pytest.raises(NotFound, match="has no card picture"):
        pictures.pieces(model, "card")


async def test_a_picture_of_an_unknown_model_is_not_kept(pictures):
    with pytest.raises(NotFound):
        await pictures.keep("nowhere", pieces(picture(1024, 576)), "", NOW)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "neither JPEG nor PNG"),
        (b"<svg onload=alert(1)>", "neither JPEG nor PNG"),
        (b"GIF89a" + bytes(100), "neither JPEG nor PNG"),
        (b"\x89PNG\r\n\x1a\n", "broken"),
        (b"\xff\xd8\xff", "broken"),
        (picture(1023, 576), "1023 x 576"),
        (picture(1024, 575, "JPEG"), "at least 1024 x 576"),
        (picture(1024, 576)[:20], "broken"),
    ],
)
def test_what_is_no_picture_or_too_small_is_refused(data, says):
    with pytest.raises(Invalid, match=says):
        examine(data)


def test_a_picture_that_would_fill_the_memory_is_refused_by_its_header():
    data = bytearray(picture(1024, 576))
    data[16:24] = (60_000).to_bytes(4) + (60_000).to_bytes(4)

    with pytest.raises(TooLarge, match="60000 x 60000"):
        examine(bytes(data))


async def test_reading_stops_at_five_megabytes(pictures, model):
    async def endless():
        while True:
            taken.append(1)
            yield bytes(1 << 20)

    taken = []
    with pytest.raises(TooLarge, match="5 MB"):
        await pictures.keep(model.identifier, endless(), "", NOW)
    assert (LARGEST >> 20) + 1 == len(taken)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"]), st.binary(max_size=200))
def test_any_bytes_are_a_picture_or_refused(magic, rest):
    try:
        media_type, width, height = examine(magic + rest)
    except Invalid:
        return
    assert media_type in ("image/png", "image/jpeg")
    assert width >= 1024
    assert height >= 576


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["PNG", "JPEG"]), st.data())
def test_a_broken_picture_is_a_picture_or_refused(kind, data):
    whole = bytearray(picture(1024, 576, kind))
    for place in data.draw(st.lists(st.integers(0, 60), max_size=8)):
        whole[place] = data.draw(st.integers(0, 255))
    try:
        examine(bytes(whole))
    except Invalid as error:
        assert error.message  # noqa: PT017 - either way is right
