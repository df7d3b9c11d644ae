"""Models: list, look at, create, change, related ones, visibility, hardware, engines in sum."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
from starlette.responses import Response

from headrace.api.endpoint import Call, Endpoint, NoQuery, Repeatable, Row
from headrace.api.modzy import library
from headrace.api.modzy.parse import models as parse
from headrace.api.modzy.parse import paging
from headrace.api.modzy.shapes import models as shapes
from headrace.api.rooms import Rooms
from headrace.catalog import requirements
from headrace.catalog.search import ModelQuery
from headrace.domain.account import Action
from headrace.domain.clock import now
from headrace.domain.ids import VersionKey
from headrace.domain.model import Model, Visibility

EDIT = (Action.DEPLOY_MODELS, Action.APPROVE_MODELS)

NoBody = Call[NoQuery, None]


class Models:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms, self._models = rooms, rooms.models

    def rows(self) -> list[Row]:
        read, deploy, model = Action.READ_LIBRARY, Action.DEPLOY_MODELS, "/api/models/{model}"
        return [
            Endpoint("GET", "/api/models", "Models that this key sees", read, self.find,
                     query=parse.ModelsQuery, answer=list[shapes.ListedModel]),
            Endpoint("POST", "/api/models", "Create a model with its first version", deploy, self.create,
                     body=parse.NewModel, answer=shapes.CreatedModel, success=201,
                     repeat=Repeatable(self._created_again)),
            Endpoint("GET", "/api/models/latest", "Models with an active version", read, self.latest,
                     answer=list[shapes.LatestModel]),
            Endpoint("GET", "/api/models/processing-engines", "The engines that always run, in sum", read,
                     self.engines_sum, answer=shapes.EnginesSum),
            Endpoint("GET", "/api/models/requirements/account", "The hardware to choose from", read,
                     self.requirements, answer=list[shapes.RequirementShape]),
            Endpoint("GET", model, "A model", read, self.model, answer=shapes.ModelShape),
            Endpoint("PATCH", model, "Change a model's name, summary, tags", EDIT, self.change,
                     body=parse.ModelPatch, answer=shapes.ModelShape),
            Endpoint("PATCH", f"{model}/visibility", "Change who sees a model", EDIT, self.show,
                     body=parse.VisibilityBody, answer=shapes.ModelShape),
            Endpoint("GET", f"{model}/related-models", "Models like this one", read, self.related,
                     answer=list[shapes.RelatedModel]),
        ]  # fmt: skip

    async def find(self, call: Call[parse.ModelsQuery, None]) -> Response:
        query = parse.model_query(call.query, call.principal)
        found = [shapes.listed(one) for one in await self._models.find(query)]
        headers = dict(paging.link_headers(call.request, call.base_url, query.page, len(found)))
        return Response(msgspec.json.encode(found), headers=headers, media_type="application/json")

    async def create(self, call: Call[NoQuery, parse.NewModel]) -> shapes.CreatedModel:
        create = self._models.create_unique if call.body.unique else self._models.create
        made = await create(call.body.name, call.body.version, call.principal, now(), call.mark)
        return shapes.created(made, now())

    async def _created_again(self, call: Call[Any, Any], made: str) -> shapes.CreatedModel:
        return shapes.created(await self._models.visible(made, call.principal), now())

    async def latest(self, call: NoBody) -> list[shapes.LatestModel]:
        found = await self._models.find(ModelQuery(viewer=call.principal, active=True))
        keys = [VersionKey(one.identifier, one.active_versions[-1]) for one in found]
        return [shapes.latest(one, await self._rooms.versions.get(key)) for one, key in zip(found, keys, strict=True)]

    async def engines_sum(self, _call: NoBody) -> shapes.EnginesSum:
        return shapes.EnginesSum(sum(one.processing.minimum for one in await self._rooms.versions.active()))

    async def requirements(self, _call: NoBody) -> list[shapes.RequirementShape]:
        return [shapes.requirement(one) for one in requirements.TABLE]

    async def model(self, call: NoBody) -> shapes.ModelShape:
        return shapes.model(await library.seen(self._models, call), now())

    async def change(self, call: Call[NoQuery, parse.ModelPatch]) -> shapes.ModelShape:
        model, patch = await library.own(self._models, call), call.body
        fields: dict[str, Any] = {}
        if patch.name is not None:
            fields["name"] = patch.name
        if patch.description is not None:
            fields["description"] = patch.description
        if patch.visibility is not None:
            fields["visibility"] = parse.visibility(patch.visibility)
        if patch.tags is not None:
            fields["tags"] = await self._rooms.tags.resolve(parse.tag_names(patch.tags))
        return await self._changed(model, lambda old: replace(old, **fields))

    async def show(self, call: Call[NoQuery, parse.VisibilityBody]) -> shapes.ModelShape:
        model = await library.own(self._models, call)
        visibility: Visibility = parse.visibility(call.body)
        return await self._changed(model, lambda old: replace(old, visibility=visibility))

    async def related(self, call: NoBody) -> list[shapes.RelatedModel]:
        return [shapes.related(one) for one in await self._models.related(call.params["model"], call.principal)]

    async def _changed(self, model: Model, fn: Callable[[Model], Model]) -> shapes.ModelShape:
        return shapes.model(await self._models.change(model.identifier, fn, now()), now())
