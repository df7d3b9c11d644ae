"""Dead letters: inputs that failed without an answer of their model. Looked at, and tried again in a new job."""

import msgspec
from starlette.responses import Response

from headrace.api.endpoint import Call, Endpoint, NoQuery, Repeatable, Row
from headrace.api.modzy.companies import Companies
from headrace.api.modzy.jobs import receipt_again, receipt_of
from headrace.api.modzy.parse import paging
from headrace.api.modzy.shapes import dead as shapes
from headrace.api.modzy.shapes.jobs import Receipt
from headrace.api.rooms import Rooms
from headrace.domain.account import Action
from headrace.jobs.history_rows import HistoryQuery

REDRIVE = (Action.SUBMIT_JOBS, Action.CANCEL_TEAM_JOBS)

Listing = Call[paging.PagingQuery, None]


class RedriveBody(msgspec.Struct):
    """`inputs`: names; without it all that were not tried again yet."""

    inputs: list[str] | None = None


class DeadLetters:
    def __init__(self, rooms: Rooms, companies: Companies) -> None:
        self._rooms, self._companies = rooms, companies

    def rows(self) -> list[Row]:
        read, again = Action.READ_OWN_JOBS, receipt_again(self._rooms, self._companies)
        return [
            Endpoint("GET", "/api/jobs/dead", "Jobs with dead letters that were not tried again", read, self.jobs,
                     query=paging.PagingQuery, answer=list[shapes.DeadJob]),
            Endpoint("GET", "/api/jobs/{job}/dead", "The dead letters of a job", read, self.letters,
                     query=paging.PagingQuery, answer=list[shapes.DeadLetterShape]),
            Endpoint("POST", "/api/jobs/{job}/redrive", "Try dead letters again, in a new job", REDRIVE, self.redrive,
                     body=RedriveBody, answer=Receipt, success=202, errors=(404, 409, 429), repeat=Repeatable(again)),
        ]  # fmt: skip

    async def jobs(self, call: Listing) -> Response:
        page = paging.page_of(call.query)
        query = HistoryQuery(status="dead", page=page.number, per_page=page.size)
        jobs = await self._rooms.history.find(call.principal, query)
        companies = await self._companies.of_all(jobs, call.principal)
        found = [shapes.dead_job(*pair) for pair in zip(jobs, companies, strict=True)]
        headers = dict(paging.link_headers(call.request, call.base_url, page, len(found)))
        return Response(msgspec.json.encode(found), headers=headers, media_type="application/json")

    async def letters(self, call: Listing) -> Response:
        page = paging.page_of(call.query)
        job = await self._rooms.history.job(call.principal, call.params["job"])
        found = [shapes.dead_letter(one) for one in await self._rooms.dead.letters(job, page)]
        headers = dict(paging.link_headers(call.request, call.base_url, page, len(found)))
        return Response(msgspec.json.encode(found), headers=headers, media_type="application/json")

    async def redrive(self, call: Call[NoQuery, RedriveBody]) -> Receipt:
        job = await self._rooms.dead.redrive(call.principal, call.params["job"], call.body.inputs, call.mark)
        return await receipt_of(self._rooms, self._companies, call, job)
