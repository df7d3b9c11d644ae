"""Versions: list, look at, create, change, engines, samples."""

from typing import Any

import msgspec
from starlette.responses import Response

from headrace.accounts import access
from headrace.api.endpoint import Call, Endpoint, NoQuery, Repeatable, Row
from headrace.api.modzy import library
from headrace.api.modzy.models import EDIT
from headrace.api.modzy.parse import models as queries
from headrace.api.modzy.parse import paging
from headrace.api.modzy.parse import versions as parse
from headrace.api.modzy.shapes import versions as shapes
from headrace.api.rooms import Rooms
from headrace.domain.account import Action
from headrace.domain.clock import now
from headrace.domain.errors import Invalid, NotFound
from headrace.domain.ids import VersionKey
from headrace.domain.model import Model
from headrace.domain.version import Version, VersionStatus

SCALE = (Action.SCALE_ENGINES, Action.DEPLOY_MODELS)
PATCH = (*EDIT, Action.SCALE_ENGINES)
OWN = frozenset({VersionStatus.ACTIVE, VersionStatus.CANCELED})  # what a data scientist does with own versions
LONGEST_SAMPLE = 1 << 20  # bytes

NoBody = Call[NoQuery, None]


class Versions:
    def __init__(self, rooms: Rooms) -> None:
        self._rooms, self._models, self._versions = rooms, rooms.models, rooms.versions

    def rows(self) -> list[Row]:
        read, of_model = Action.READ_LIBRARY, "/api/models/{model}/versions"
        one = f"{of_model}/{{version}}"
        return [
            Endpoint("GET", "/api/models/all/versions/all", "All versions of all models", read, self.all,
                     query=queries.VersionsQuery, answer=list[shapes.VersionShape]),
            Endpoint("GET", of_model, "Versions of a model", read, self.of_model,
                     query=queries.VersionsQuery, answer=list[shapes.VersionName]),
            Endpoint("POST", of_model, "Create a version", Action.DEPLOY_MODELS, self.create,
                     body=queries.NewVersion, answer=shapes.VersionShape, success=201, errors=(409,),
                     repeat=Repeatable(self._created_again)),
            Endpoint("GET", one, "A version", read, self.version, answer=shapes.VersionShape),
            Endpoint("PATCH", one, "Change a version; status active publishes it", PATCH, self.change,
                     body=parse.VersionPatch, answer=shapes.VersionShape, errors=(409, 422)),
            Endpoint("DELETE", one, "Delete a version; its jobs keep their results", EDIT, self.delete,
                     answer=shapes.VersionShape, errors=(409,)),
            Endpoint("PATCH", f"{one}/processing", "Change how many engines run", SCALE, self.scale,
                     body=parse.ProcessingPatch, answer=shapes.VersionShape),
            Endpoint("GET", f"{one}/sample-input", "A job to try the version with", read, self.sample_input,
                     answer=dict[str, Any]),
            Endpoint("GET", f"{one}/sample-output", "What that job brings", read, self.sample_output,
                     answer=dict[str, Any]),
            Endpoint("PUT", f"{one}/sample-input", "Set the sample input", Action.DEPLOY_MODELS,
                     self.put_sample_input, body=dict[str, Any]),
            Endpoint("PUT", f"{one}/sample-output", "Set the sample output", Action.DEPLOY_MODELS,
                     self.put_sample_output, body=dict[str, Any]),
        ]  # fmt: skip

    async def all(self, call: Call[queries.VersionsQuery, None]) -> Response:
        query = queries.version_query(call.query, call.principal)
        found = await self._versions.all(query)
        models = {key: await self._models.get(key) for key in {one.key.model for one in found}}
        shown = [shapes.version(one, models[one.key.model], now()) for one in found]
        headers = dict(paging.link_headers(call.request, call.base_url, query.page, len(shown)))
        return Response(msgspec.json.encode(shown), headers=headers, media_type="application/json")

    async def of_model(self, call: Call[queries.VersionsQuery, None]) -> Response:
        model = await library.seen(self._models, call)
        query = queries.version_query(call.query, call.principal)
        found = await self._versions.list(model.identifier, query)
        headers = dict(paging.link_headers(call.request, call.base_url, query.page, len(found)))
        names = [shapes.VersionName(one.key.version) for one in found]
        return Response(msgspec.json.encode(names), headers=headers, media_type="application/json")

    async def create(self, call: Call[NoQuery, queries.NewVersion]) -> shapes.VersionShape:
        model = await library.own(self._models, call)
        key = VersionKey(model.identifier, call.body.version)
        email, description = call.principal.user.email, call.body.long_description or ""
        return await self._shown(await self._versions.create(key, email, now(), description, call.mark))

    async def _created_again(self, call: Call[Any, Any], made: str) -> shapes.VersionShape:
        model = await library.own(self._models, call)
        return await self._shown(await self._versions.get(VersionKey(model.identifier, made)))

    async def version(self, call: NoBody) -> shapes.VersionShape:
        model = await library.seen(self._models, call)
        return shapes.version(await self._versions.get(_key(call, model)), model, now())

    async def change(self, call: Call[NoQuery, parse.VersionPatch]) -> shapes.VersionShape:
        model, changes = await library.own(self._models, call), parse.changes(call.body)
        _check_allowed(call, changes)
        key = _key(call, model)
        version = await self._versions.get(key)
        await self._check_engines(key, changes.processing, version)
        if changes.edits or changes.processing is not None:
            version = await self._versions.change(key, changes.apply, now())
            self._rooms.fleet.changed()
        if changes.status is not None:
            version = await self._rooms.deployment.change_status(key, changes.status)
        return await self._shown(version)

    async def delete(self, call: NoBody) -> shapes.VersionShape:
        model = await library.own(self._models, call)
        return await self._shown(await self._rooms.deployment.change_status(_key(call, model), VersionStatus.DELETED))

    async def scale(self, call: Call[NoQuery, parse.ProcessingPatch]) -> shapes.VersionShape:
        key = _key(call, await library.own(self._models, call))
        processing = parse.processing_of(call.body)
        await self._check_engines(key, processing, await self._versions.get(key))
        changes = parse.Changes({}, None, processing, None)
        version = await self._versions.change(key, changes.apply, now())
        self._rooms.fleet.changed()
        return await self._shown(version)

    async def sample_input(self, call: NoBody) -> Response:
        return _sample((await self._seen_version(call)).sample_input, "sample input")

    async def sample_output(self, call: NoBody) -> Response:
        return _sample((await self._seen_version(call)).sample_output, "sample output")

    async def put_sample_input(self, call: Call[NoQuery, dict[str, Any]]) -> Response:
        return await self._put_sample(call, "sample_input")

    async def put_sample_output(self, call: Call[NoQuery, dict[str, Any]]) -> Response:
        return await self._put_sample(call, "sample_output")

    async def _put_sample(self, call: Call[NoQuery, dict[str, Any]], field: str) -> Response:
        text = msgspec.json.encode(call.body)
        if len(text) > LONGEST_SAMPLE:
            raise Invalid(f"a sample has at most {LONGEST_SAMPLE} bytes")
        key = _key(call, await library.own(self._models, call))
        changes = parse.Changes({field: text.decode()}, None, None, None)
        await self._versions.change(key, changes.apply, now())
        return Response(status_code=200)

    async def _seen_version(self, call: NoBody) -> Version:
        return await self._versions.get(_key(call, await library.seen(self._models, call)))

    async def _check_engines(self, key: VersionKey, body: parse.ProcessingBody | None, version: Version) -> None:
        """The licence of the platform is this machine's size here: capacity beyond it is refused (A.4)."""
        if body is None:
            return
        wanted, limit = parse.merged(body, version.processing), self._rooms.fleet.limit
        if wanted.maximum > limit:
            raise Invalid(
                f"`maximumParallelCapacity` is {wanted.maximum}, and this server runs at most {limit} engines"
            )
        others = sum(one.processing.minimum for one in await self._versions.active() if one.key != key)
        if wanted.minimum + others > limit:
            raise Invalid(
                f"`minimumParallelCapacity` is {wanted.minimum}, other versions always run {others},"
                f" and this server runs at most {limit} engines"
            )

    async def _shown(self, version: Version) -> shapes.VersionShape:
        return shapes.version(version, await self._models.get(version.key.model), now())


def _key(call: Call[object, object], model: Model) -> VersionKey:
    return VersionKey(model.identifier, call.params["version"])


def _check_allowed(call: Call[object, object], changes: parse.Changes) -> None:
    """A PATCH may need three rights; each part of it is asked for by itself. Raises Forbidden."""
    principal = call.principal
    if changes.edits:
        access.require(principal, Action.DEPLOY_MODELS)
    if changes.processing is not None and not any(principal.may(action) for action in SCALE):
        access.require(principal, Action.SCALE_ENGINES)
    if changes.status is not None and not (changes.status in OWN and principal.may(Action.DEPLOY_MODELS)):
        access.require(principal, Action.APPROVE_MODELS)


def _sample(text: str, what: str) -> Response:
    if not text:
        raise NotFound(f"this version has no {what} yet: the run test makes one")
    return Response(text, media_type="application/json")
