"""Results of jobs by the edge API."""

from typing import Any

import msgspec
from google.protobuf import empty_pb2, json_format, struct_pb2

from headrace.api.edge.messages import LARGEST, filled
from headrace.api.edge.proto import edge_jobs_pb2 as jobs
from headrace.api.edge.proto import edge_results_pb2 as pb
from headrace.api.edge.proto.edge_accounting_pb2 import AccountIdentifier, TeamIdentifier, UserIdentifier
from headrace.api.edge.proto.edge_common_pb2 import ModelIdentifier
from headrace.api.grpc.calls import Call
from headrace.api.modzy import outputs
from headrace.api.modzy.companies import Companies
from headrace.api.modzy.shapes import results as shapes
from headrace.api.modzy.shapes.jobs import Company
from headrace.api.rooms import Rooms
from headrace.domain.body import size_of, whole
from headrace.domain.clock import Millis, now
from headrace.domain.errors import TooLarge
from headrace.domain.job import Job
from headrace.domain.result import InputResult

JSON_OUTPUT = "results.json"  # the one output that these messages have a field for
DEEPEST = 62  # two for each object in another: beyond, clients reach protobuf's limit of 100 messages

Votes = tuple[int, int]


class ResultCalls:
    def __init__(self, rooms: Rooms, companies: Companies) -> None:
        self._history, self._blobs, self._companies = rooms.history, rooms.blobs, companies
        self._server = rooms.settings.server

    async def of_job(self, call: Call, request: jobs.JobIdentifier) -> pb.Results:
        """What there is so far. Raises TooLarge when it does not fit into a message."""
        job = await self._history.job(call.principal, request.identifier)
        votes = await self._history.votes(job)
        message, size, most = filled(shapes.frame(job, now()), pb.Results()), 0, self._server.json_limit
        async for found in self._history.results(job):
            for result in found:
                size += await self._add(job, result, votes.get(result.name, (0, 0)), message)
            if size > most:
                raise TooLarge(
                    f"the results of job {job.id} have more than {most} bytes together: ask for each input's by "
                    f"GetResult, or take them all from {self._server.public_url}/api/results/{job.id} of the HTTP port"
                )
        return message

    async def of_input(self, call: Call, request: pb.ResultIdentifier) -> pb.Result:
        """Times are seconds here: the fields hold 32 bits."""
        job, result = await self._found(call, request)
        up, down = (await self._history.votes(job)).get(result.name, (0, 0))
        message = pb.Result(
            job=_told(job, await self._companies.of(job, call.principal)),
            input_name=result.name,
            start_time=_seconds(result.started),
            update_time=_seconds(result.ended),
            end_time=_seconds(result.ended),
            input_completed_time=_seconds(result.ended),
            explained=job.explain,
            engine=result.engine,
            queue_time=min(result.queued, LARGEST),
            model_latency=round(result.latency, 3),
            access_key=job.key,
            voting=pb.Voting(up=up, down=down),
        )
        if result.ok:
            await self._show(job, result, message.result)
        else:
            message.result["error"] = result.error
        return message

    async def output(self, call: Call, request: pb.OutputIdentifier) -> pb.ResultOutput:
        """Raises NotFound, TooLarge."""
        job, result = await self._found(call, request.result_identifier)
        name = request.output_identifier
        body = outputs.named(result, name).body
        if size_of(body) > self._server.json_limit:
            raise TooLarge(
                f"output {name!r} has {size_of(body)} bytes, and a message may have {self._server.json_limit}: "
                f"take it from {self._url(job, result, name)} of the HTTP port"
            )
        return pb.ResultOutput(data=await whole(body, self._blobs))

    async def up_vote(self, call: Call, request: pb.ResultIdentifier) -> empty_pb2.Empty:
        return await self._vote(call, request, up=True)

    async def down_vote(self, call: Call, request: pb.ResultIdentifier) -> empty_pb2.Empty:
        return await self._vote(call, request, up=False)

    async def reset_votes(self, call: Call, request: pb.ResultIdentifier) -> empty_pb2.Empty:
        return await self._vote(call, request, up=None)

    async def vote(self, call: Call, request: pb.ResultIdentifier) -> pb.ResultVote:
        job = await self._history.job(call.principal, request.job_identifier.identifier)
        up = await self._history.vote_of(call.principal, job, request.input_identifier)
        return filled(shapes.vote(up), pb.ResultVote())

    async def _vote(self, call: Call, request: pb.ResultIdentifier, *, up: bool | None) -> empty_pb2.Empty:
        job = await self._history.job(call.principal, request.job_identifier.identifier)
        await self._history.vote(call.principal, job, request.input_identifier, up)
        return empty_pb2.Empty()

    async def _found(self, call: Call, request: pb.ResultIdentifier) -> tuple[Job, InputResult]:
        """Raises NotFound."""
        job = await self._history.job(call.principal, request.job_identifier.identifier)
        return job, await self._history.result(job, request.input_identifier)

    async def _add(self, job: Job, result: InputResult, votes: Votes, message: pb.Results) -> int:
        """One input's result. Returns how many bytes it has."""
        if not result.ok:
            failed = struct_pb2.Struct()
            failed.update(msgspec.to_builtins(shapes.failure(result)))
            message.failures[result.name].Pack(failed)
            return message.failures[result.name].ByteSize()
        told = message.results[result.name]
        filled(shapes.success(result, {}, votes), told)
        await self._show(job, result, told.results)
        return told.ByteSize()

    async def _show(self, job: Job, result: InputResult, told: struct_pb2.Struct) -> None:
        """Only an object fits: results.json where it is one, and else all outputs by their names.

        What the clients could not read (nested too deeply, a number beyond all floats) is told as the path where the
        HTTP port has it.
        """
        shown = await outputs.shown(result.outputs, lambda name: self._url(job, result, name), self._blobs)
        try:
            values: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shown))
            only = values.get(JSON_OUTPUT)
            json_format.ParseDict(only if isinstance(only, dict) else values, told, max_recursion_depth=DEEPEST)
        except (msgspec.DecodeError, json_format.ParseError, RecursionError):
            told.Clear()
            told.update({name: self._url(job, result, name) for name in result.outputs})

    def _url(self, job: Job, result: InputResult, name: str) -> str:
        return shapes.output_url(self._server.public_url.rstrip("/"), job.id, result.name, name)


def _told(job: Job, company: Company) -> pb.Result.Job:
    version = job.version
    return pb.Result.Job(
        identifier=job.id,
        created_at=_seconds(job.created),
        updated_at=_seconds(job.updated),
        model=ModelIdentifier(identifier=version.model, version=version.version, name=company.model_name),
        user=UserIdentifier(identifier=company.user.identifier, email=company.user.email),
        submitted_by=company.user.email,
        team=TeamIdentifier(identifier=job.team),
        account=AccountIdentifier(identifier=job.account),
        total_input_count=job.total,
        completed_input_count=job.completed,
        failed_input_count=job.failed,
        submitted_at=_seconds(job.submitted),
        input_size=min(job.input_bytes, LARGEST),
        finished=job.over,
    )


def _seconds(at: Millis) -> int:
    return min(at // 1000, LARGEST)
