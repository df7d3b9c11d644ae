"""A model's picture: checked by its content, stored as a blob, shown as thumbnail, card and background."""

from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO

import imagesize

from headrace.catalog.models import Models
from headrace.domain.body import BlobRef, BodyStore
from headrace.domain.clock import Millis
from headrace.domain.errors import Invalid, NotFound, TooLarge
from headrace.domain.model import Model, Picture

LARGEST = 5 << 20  # bytes
LEAST_WIDTH, LEAST_HEIGHT = 1024, 576  # pixels; another page says 1440 x 1024: both are taken (contract, B.5)
MOST_PIXELS = 50_000_000
RELATIONS = ("thumbnail", "card", "background")

_MAGIC = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


class Pictures:
    def __init__(self, models: Models, store: BodyStore) -> None:
        self._models, self._store = models, store

    async def keep(self, model_id: str, pieces: AsyncIterator[bytes], caption: str, now: Millis) -> Model:
        """In place of the picture before. Without a caption it is the model's name.

        Raises Invalid for what is no picture or too small, TooLarge, NotFound, StorageFailed.
        """
        data = await _read(pieces)
        media_type, width, height = examine(data)
        model = await self._models.get(model_id)
        ref = await self._store.put(_once(data), LARGEST)
        text = caption.strip()[:500] or model.name
        kept = tuple(Picture(ref.digest, ref.size, media_type, width, height, text, name) for name in RELATIONS)
        return await self._models.change(model_id, lambda old: replace(old, pictures=_with(old, kept)), now)

    def pieces(self, model: Model, relation: str) -> tuple[Picture, AsyncIterator[bytes]]:
        """The picture and its bytes. Raises NotFound."""
        for picture in model.pictures:
            if picture.relation == relation:
                return picture, self._store.pieces(BlobRef(picture.digest, picture.size))
        raise NotFound(f"Model {model.identifier} has no {relation} picture")


def examine(data: bytes) -> tuple[str, int, int]:
    """Media type, width and height, by what the bytes are and not by what they are called. Raises Invalid."""
    media_type = next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)
    if media_type is None:
        raise Invalid("the picture is neither JPEG nor PNG")
    try:
        width, height = imagesize.get(BytesIO(data))
    except Exception as error:  # noqa: BLE001 - a hostile file may make the parser raise anything
        raise Invalid("the picture cannot be read: it is broken", technical=repr(error)) from None
    if width < 1 or height < 1:  # what the parser says of a header that is cut off
        raise Invalid("the picture cannot be read: it is broken")
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        raise Invalid(f"the picture has {width} x {height} pixels; at least {LEAST_WIDTH} x {LEAST_HEIGHT} are needed")
    if width * height > MOST_PIXELS:
        raise TooLarge(f"the picture has {width} x {height} pixels; at most {MOST_PIXELS} are allowed")
    return media_type, width, height


def _with(model: Model, kept: tuple[Picture, ...]) -> tuple[Picture, ...]:
    return tuple(picture for picture in model.pictures if picture.relation not in RELATIONS) + kept


async def _read(pieces: AsyncIterator[bytes]) -> bytes:
    data = bytearray()
    async for piece in pieces:
        data += piece
        if len(data) > LARGEST:
            raise TooLarge(f"the picture is larger than {LARGEST >> 20} MB")
    return bytes(data)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
