"""Tags: all, those with their models, how often each is used."""

from headrace.api.endpoint import Call, Endpoint, NoQuery, Row
from headrace.api.modzy.parse import paging
from headrace.api.modzy.shapes import models as shapes
from headrace.catalog.tags import Tags as TagRoom
from headrace.domain.account import Action

NoBody = Call[NoQuery, None]


class Tags:
    def __init__(self, tags: TagRoom) -> None:
        self._tags = tags

    def rows(self) -> list[Row]:
        read = Action.READ_LIBRARY
        return [
            Endpoint("GET", "/api/models/tags", "All tags", read, self.all, answer=list[shapes.TagShape]),
            Endpoint(
                "GET", "/api/models/tags/count", "All tags, and how many models have them",
                read, self.counts, answer=list[shapes.TagCount],
            ),
            Endpoint(
                "GET", "/api/models/tags/{tags}", "Models that have one of these tags (commas between them)",
                read, self.with_models, answer=shapes.TagsWithModels,
            ),
        ]  # fmt: skip

    async def all(self, _call: NoBody) -> list[shapes.TagShape]:
        return shapes.tags(await self._tags.all())

    async def counts(self, call: NoBody) -> list[shapes.TagCount]:
        return shapes.counted(await self._tags.counts(call.principal))

    async def with_models(self, call: NoBody) -> shapes.TagsWithModels:
        return shapes.tagged(*await self._tags.with_models(paging.words(call.params["tags"]), call.principal))
