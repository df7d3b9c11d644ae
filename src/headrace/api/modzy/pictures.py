"""A model's picture: put there, and shown."""

from starlette.responses import Response, StreamingResponse

from headrace.api.endpoint import Call, Endpoint, NoQuery, Repeatable, Row, Upload, UploadPart
from headrace.api.modzy import library
from headrace.api.modzy.models import EDIT
from headrace.api.modzy.outputs import opened
from headrace.api.modzy.parse.models import PictureQuery
from headrace.api.modzy.shapes import models as shapes
from headrace.api.rooms import Rooms
from headrace.catalog import pictures
from headrace.domain.account import Action
from headrace.domain.clock import now


class Pictures:
    def __init__(self, rooms: Rooms) -> None:
        self._models, self._pictures = rooms.models, rooms.pictures

    def rows(self) -> list[Row]:
        return [
            Endpoint(
                "POST", "/api/models/{model}/image", "Set a model's picture (JPEG or PNG, at most 5 MB)",
                EDIT, self.put, query=PictureQuery, upload=UploadPart("file", pictures.LARGEST),
                answer=shapes.ModelShape, success=201, repeat=Repeatable(),
            ),
            Endpoint(
                "GET", "/api/models/{model}/image/{relation}", "A model's picture: thumbnail, card or background",
                Action.READ_LIBRARY, self.show, media_type="image/*",
            ),
        ]  # fmt: skip

    async def put(self, call: Call[PictureQuery, Upload]) -> shapes.ModelShape:
        model = await library.own(self._models, call)
        part = await call.body.part("file")
        caption = call.query.description or part.fields.get("description", "")
        return shapes.model(await self._pictures.keep(model.identifier, part.pieces, caption, now()), now())

    async def show(self, call: Call[NoQuery, None]) -> Response:
        model = await library.seen(self._models, call)
        picture, pieces = self._pictures.pieces(model, call.params["relation"])
        headers = {"Content-Length": str(picture.size), "Cache-Control": "private, max-age=3600"}
        return StreamingResponse(await opened(pieces), headers=headers, media_type=picture.media_type)
