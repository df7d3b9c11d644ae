"""Jobs: submit, append to, close, look at, cancel."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response

from headrace.api.endpoint import Call, Endpoint, NoQuery, Repeatable, Row, Upload, UploadPart
from headrace.api.modzy.companies import Companies
from headrace.api.modzy.parse import jobs as parse
from headrace.api.modzy.shapes import jobs as shapes
from headrace.api.rooms import Rooms
from headrace.domain.account import Action
from headrace.domain.clock import now
from headrace.domain.job import Job

LARGE = 256 * 1024  # bytes of JSON that are worth a thread: meanwhile others are answered
NAMES = 1_000  # the most input names in a job's details

NoBody = Call[NoQuery, None]


class Jobs:
    def __init__(self, rooms: Rooms, companies: Companies) -> None:
        self._rooms, self._companies = rooms, companies

    def rows(self) -> list[Row]:
        piece = UploadPart("input", self._rooms.settings.jobs.piece)
        job, append = "/api/jobs/{job}", "/api/jobs/{job}/{input}/{key}"
        again = Repeatable(receipt_again(self._rooms, self._companies))
        return [
            Endpoint(
                "POST", "/api/jobs", "Submit a job; without `input` it is open and is filled in pieces",
                Action.SUBMIT_JOBS, self.submit, body=bytes, body_schema=parse.JobBody, answer=shapes.Receipt,
                success=202, errors=(404, 429), repeat=again,
            ),
            Endpoint(
                "GET", "/api/jobs/features", "The sizes that this server takes",
                Action.READ_OWN_ACCOUNT, self.features, answer=shapes.Features,
            ),
            Endpoint("GET", job, "A job's details", Action.READ_OWN_JOBS, self.details, answer=shapes.Details),
            Endpoint(
                "DELETE", job, "Cancel a job", Action.CANCEL_OWN_JOBS, self.cancel, answer=shapes.Details, success=202
            ),
            Endpoint(
                "DELETE", "/api/jobs", "Cancel all jobs that this key may cancel",
                Action.CANCEL_OWN_JOBS, self.cancel_all, answer=list[shapes.Details], success=202,
            ),
            Endpoint(
                "POST", append, "Append a piece to a file of an open job",
                Action.SUBMIT_JOBS, self.append, upload=piece, success=202, errors=(409,),
                repeat=Repeatable(self._appended_again),
            ),
            Endpoint(
                "POST", f"{job}/close", "An open job is complete: run it",
                Action.SUBMIT_JOBS, self.close, answer=shapes.Receipt, success=202, errors=(409, 429),
                repeat=again,
            ),
        ]  # fmt: skip

    async def submit(self, call: Call[NoQuery, bytes]) -> shapes.Receipt:
        new = await asyncio.to_thread(parse.new_job, call.body) if len(call.body) > LARGE else parse.new_job(call.body)
        job = await self._rooms.submit.submit(call.principal, new, call.mark)
        return shapes.receipt(job, await self._companies.of(job, call.principal), parse.names(new))

    async def features(self, _call: NoBody) -> shapes.Features:
        return shapes.features(self._rooms.settings.jobs)

    async def details(self, call: NoBody) -> shapes.Details:
        return await self._details(call, await self._rooms.history.job(call.principal, call.params["job"]))

    async def cancel(self, call: NoBody) -> shapes.Details:
        return await self._details(call, await self._rooms.cancel.cancel(call.principal, call.params["job"]))

    async def cancel_all(self, call: NoBody) -> list[shapes.Details]:
        return [await self._details(call, job) for job in await self._rooms.cancel.cancel_all(call.principal)]

    async def append(self, call: Call[NoQuery, Upload]) -> Response:
        place = (call.params["input"], call.params["key"])
        part = await call.body.part("input")
        await self._rooms.uploads.append(call.principal, call.params["job"], place, part.pieces, call.mark)
        return Response(status_code=202)  # an empty body: Python takes nothing else but JSON here (rule 7)

    async def close(self, call: NoBody) -> shapes.Receipt:
        job = await self._rooms.uploads.close(call.principal, call.params["job"], call.mark)
        return await receipt_of(self._rooms, self._companies, call, job)

    async def _appended_again(self, _call: Call[Any, Any], _made: str) -> Response:
        return Response(status_code=202)

    async def _details(self, call: NoBody, job: Job) -> shapes.Details:
        names = await self._rooms.history.names(job, NAMES)
        return shapes.details(job, await self._companies.of(job, call.principal), names, now())


def receipt_again(rooms: Rooms, companies: Companies) -> Callable[[Call[Any, Any], str], Awaitable[Any]]:
    """Answers once more for a job that was stored, by its identifier."""

    async def again(call: Call[Any, Any], made: str) -> shapes.Receipt:
        return await receipt_of(rooms, companies, call, await rooms.history.job(call.principal, made))

    return again


async def receipt_of(rooms: Rooms, companies: Companies, call: Call[Any, Any], job: Job) -> shapes.Receipt:
    names = await rooms.history.names(job, rooms.settings.jobs.inputs)
    return shapes.receipt(job, await companies.of(job, call.principal), names)
