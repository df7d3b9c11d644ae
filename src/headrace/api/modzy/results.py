"""Results: of a job, of an input, an output's bytes, votes. A long answer is written while it is read."""

from collections.abc import AsyncIterator

import msgspec
from starlette.responses import Response, StreamingResponse

from headrace.api.endpoint import Call, Endpoint, NoQuery, Row
from headrace.api.modzy import outputs
from headrace.api.modzy.companies import Companies
from headrace.api.modzy.shapes import results as shapes
from headrace.api.rooms import Rooms
from headrace.domain.account import Action
from headrace.domain.clock import now
from headrace.domain.job import LIVE, Job
from headrace.domain.result import InputResult

AT_ONCE = 1_000  # inputs of a job whose results are answered in one piece

Votes = dict[str, tuple[int, int]]
NoBody = Call[NoQuery, None]


class Results:
    def __init__(self, rooms: Rooms, companies: Companies) -> None:
        self._rooms, self._history, self._companies = rooms, rooms.history, companies

    def rows(self) -> list[Row]:
        read, job = Action.READ_OWN_JOBS, "/api/results/{job}"
        one, raw = f"{job}/datasource/{{input}}", "application/octet-stream"
        return [
            Endpoint("GET", job, "A job's results so far; waits a little for a job that has not ended", read,
                     self.of_job, answer=shapes.Results),
            Endpoint("GET", one, "One input's result", read, self.of_input, answer=shapes.Result),
            Endpoint("GET", f"{one}/output/{{output}}", "The bytes of one output", read, self.output, media_type=raw),
            Endpoint("GET", f"{job}/{{input}}/{{output}}", "The bytes of one output: the URL that stands in results",
                     read, self.output, media_type=raw),
            Endpoint("POST", f"{job}/upvote/{{input}}", "This result is good", read, self.up_vote),
            Endpoint("POST", f"{job}/downvote/{{input}}", "This result is bad", read, self.down_vote),
            Endpoint("DELETE", f"{job}/vote/{{input}}", "Take the own vote back", read, self.reset_vote),
            Endpoint("GET", f"{job}/vote/{{input}}", "The own vote", read, self.vote, answer=shapes.Vote),
        ]  # fmt: skip

    async def of_job(self, call: NoBody) -> Response:
        job = await self._job(call)
        if job.state in LIVE:
            await self._history.wait_until_over(job.id, self._rooms.settings.server.hold_results)
            job = await self._job(call)
        text = self._text(call, job, await self._history.votes(job))
        if job.total > AT_ONCE:
            return StreamingResponse(text, media_type="application/json")
        return Response(b"".join([piece async for piece in text]), media_type="application/json")

    async def of_input(self, call: NoBody) -> shapes.Result:
        job = await self._job(call)
        result = await self._history.result(job, call.params["input"])
        votes = (await self._history.votes(job)).get(result.name, (0, 0))
        shown = await self._outputs(call, job, result)
        return shapes.one(job, await self._companies.of(job, call.principal), result, shown, votes)

    async def output(self, call: NoBody) -> Response:
        result = await self._history.result(await self._job(call), call.params["input"])
        name = call.params["output"]
        return await outputs.download(name, outputs.named(result, name), self._rooms.blobs)

    async def up_vote(self, call: NoBody) -> None:
        await self._vote(call, up=True)

    async def down_vote(self, call: NoBody) -> None:
        await self._vote(call, up=False)

    async def reset_vote(self, call: NoBody) -> None:
        await self._vote(call, up=None)

    async def vote(self, call: NoBody) -> shapes.Vote:
        up = await self._history.vote_of(call.principal, await self._job(call), call.params["input"])
        return shapes.vote(up)

    async def _vote(self, call: NoBody, *, up: bool | None) -> None:
        await self._history.vote(call.principal, await self._job(call), call.params["input"], up)

    async def _job(self, call: NoBody) -> Job:
        return await self._history.job(call.principal, call.params["job"])

    async def _outputs(self, call: NoBody, job: Job, result: InputResult) -> dict[str, object]:
        def url(name: str) -> str:
            return shapes.output_url(call.base_url, job.id, result.name, name)

        return await outputs.shown(result.outputs, url, self._rooms.blobs)

    async def _text(self, call: NoBody, job: Job, votes: Votes) -> AsyncIterator[bytes]:
        """The JSON object in pieces: the frame, then the good inputs, then (read once more) the bad ones."""
        yield msgspec.json.encode(shapes.frame(job, now()))[:-1] + b',"results":{'
        comma = b""
        async for found in self._history.results(job):
            if good := [await self._success(call, job, result, votes) for result in found if result.ok]:
                yield comma + b",".join(good)
                comma = b","
        yield b'},"failures":{'
        comma = b""
        async for bad in self._failures(job):
            yield comma + b",".join(bad)
            comma = b","
        yield b"}}"

    async def _success(self, call: NoBody, job: Job, result: InputResult, votes: Votes) -> bytes:
        shown = await self._outputs(call, job, result)
        return _member(result.name, shapes.success(result, shown, votes.get(result.name, (0, 0))))

    async def _failures(self, job: Job) -> AsyncIterator[list[bytes]]:
        if job.failed == 0:
            return
        async for found in self._history.results(job):
            if bad := [_member(result.name, shapes.failure(result)) for result in found if not result.ok]:
                yield bad


def _member(name: str, shape: object) -> bytes:
    return msgspec.json.encode(name) + b":" + msgspec.json.encode(shape)
