"""Lists of jobs: the summary, the history with filters, the statistics of keys."""

from dataclasses import replace

import msgspec
from starlette.responses import Response

from headrace.accounts import access
from headrace.accounts.people import UserQuery
from headrace.api.endpoint import Call, Endpoint, NoQuery, Row
from headrace.api.modzy.companies import Companies
from headrace.api.modzy.parse import history as parse
from headrace.api.modzy.parse import paging
from headrace.api.modzy.shapes import jobs as shapes
from headrace.api.rooms import Rooms
from headrace.catalog.search import ModelQuery
from headrace.domain.account import Action, ApiKey
from headrace.domain.clock import now
from headrace.domain.errors import NotFound
from headrace.domain.job import Job
from headrace.domain.listing import Filter, Page
from headrace.jobs.history_rows import HistoryQuery

NAMES = 100  # the most input names of each job in a list

Listing = Call[parse.JobsQuery, None]


class History:
    def __init__(self, rooms: Rooms, companies: Companies) -> None:
        self._rooms, self._companies = rooms, companies

    def rows(self) -> list[Row]:
        own = Action.READ_OWN_JOBS
        return [
            Endpoint("GET", "/api/jobs", "Jobs in short, the newest first", own, self.summaries,
                     query=parse.JobsQuery, answer=list[shapes.Summary]),
            Endpoint("GET", "/api/jobs/history", "Jobs in full, the newest first", own, self.history,
                     query=parse.JobsQuery, answer=list[shapes.Details]),
            Endpoint("GET", "/api/jobs/history/{job}", "A job in full, as a list", own, self.history_of,
                     answer=list[shapes.Details]),
            Endpoint("GET", "/api/jobs/statistics", "How much each key was used", own, self.statistics,
                     answer=list[shapes.Statistics]),
            Endpoint("GET", "/api/jobs/statistics/{prefix}", "How much a key was used", own, self.statistics_of,
                     answer=shapes.Statistics),
        ]  # fmt: skip

    async def summaries(self, call: Listing) -> Response:
        return _page(call, *await self.in_short(call))

    async def history(self, call: Listing) -> Response:
        return _page(call, *await self.in_full(call))

    async def in_short(self, call: Listing) -> tuple[HistoryQuery, list[shapes.Summary]]:
        """What was asked for, and the jobs. Raises Invalid."""
        jobs, query = await self._find(call)
        companies = await self._companies.of_all(jobs, call.principal)
        return query, [shapes.summary(*pair) for pair in zip(jobs, companies, strict=True)]

    async def in_full(self, call: Listing) -> tuple[HistoryQuery, list[shapes.Details]]:
        """What was asked for, and the jobs. Raises Invalid."""
        jobs, query = await self._find(call)
        companies = await self._companies.of_all(jobs, call.principal)
        at = now()
        return query, [
            shapes.details(job, company, await self._rooms.history.names(job, NAMES), at)
            for job, company in zip(jobs, companies, strict=True)
        ]

    async def history_of(self, call: Call[NoQuery, None]) -> list[shapes.Details]:
        job = await self._rooms.history.job(call.principal, call.params["job"])
        company = await self._companies.of(job, call.principal)
        return [shapes.details(job, company, await self._rooms.history.names(job, NAMES), now())]

    async def statistics(self, call: Call[NoQuery, None]) -> list[shapes.Statistics]:
        everybody = call.principal.may(Action.READ_TEAM_JOBS)
        own = await self._rooms.keys.of_user(call.principal.user.identifier)
        return await self._statistics(call, None if everybody else frozenset(key.prefix for key in own))

    async def statistics_of(self, call: Call[NoQuery, None]) -> shapes.Statistics:
        key = await self._visible_key(call)
        found = await self._statistics(call, frozenset({key.prefix}))
        if not found:
            raise NotFound(f"Access key {key.prefix} has not submitted a job yet")
        return found[0]

    async def _visible_key(self, call: Call[NoQuery, None]) -> ApiKey:
        key = await self._rooms.keys.details(call.params["prefix"])
        if not (access.sees_key(call.principal, key) or call.principal.may(Action.READ_TEAM_JOBS)):
            raise NotFound(f"Access key {key.prefix} not found")
        return key

    async def _statistics(self, call: Call[NoQuery, None], keys: frozenset[str] | None) -> list[shapes.Statistics]:
        found = await self._rooms.history.statistics(call.principal, keys)
        models = {version.model for one in found for version, _ in one.versions}
        names = {model: await self._companies.model_name(model) for model in models}
        return [shapes.statistics(one, names) for one in found]

    async def _find(self, call: Listing) -> tuple[list[Job], HistoryQuery]:
        query = parse.history(call.query, now())
        if call.query.user:
            people = await self._rooms.people.users(UserQuery(search=Filter(call.query.user)))
            query = replace(query, only_users=frozenset(person.user.identifier for person in people))
        if call.query.model:
            models = await self._rooms.models.find(ModelQuery(name=Filter(call.query.model)))
            named = frozenset(model.identifier for model in models)
            query = replace(query, models=named if query.models is None else named & query.models)
        if call.query.access_key:
            query = replace(query, keys=frozenset(paging.words(call.query.access_key)))
        return await self._rooms.history.find(call.principal, query), query


def _page(call: Listing, query: HistoryQuery, found: list[shapes.Summary] | list[shapes.Details]) -> Response:
    page = Page(query.page, query.per_page)
    headers = dict(paging.link_headers(call.request, call.base_url, page, len(found)))
    return Response(msgspec.json.encode(found), headers=headers, media_type="application/json")
