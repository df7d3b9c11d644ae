"""Jobs by the edge API: each call does what the same request does by REST (contracts/modzy.md, D and G)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from google.protobuf import empty_pb2, json_format

from headrace.api.edge.messages import filled, state_asked, state_number, state_word
from headrace.api.edge.proto import edge_accounting_pb2 as accounting
from headrace.api.edge.proto import edge_jobs_pb2 as pb
from headrace.api.endpoint import NoQuery
from headrace.api.grpc.acts import asking
from headrace.api.grpc.calls import Call
from headrace.api.modzy.companies import Companies
from headrace.api.modzy.history import History
from headrace.api.modzy.jobs import LARGE, Jobs
from headrace.api.modzy.parse.history import JobsQuery
from headrace.api.modzy.shapes import jobs as shapes
from headrace.api.rooms import Rooms
from headrace.domain.errors import Invalid, TooLarge
from headrace.jobs.history_rows import HistoryQuery


class JobCalls:
    def __init__(self, rooms: Rooms, companies: Companies) -> None:
        self._jobs, self._history = Jobs(rooms, companies), History(rooms, companies)
        self._uploads, self._piece = rooms.uploads, rooms.settings.jobs.piece

    async def submit(self, call: Call, request: pb.JobSubmission) -> pb.JobSubmissionReceipt:
        """Without `input` the job is open: AddInputToJob fills it, and CloseJob lets it run."""
        large = request.ByteSize() > LARGE
        body = await asyncio.to_thread(_body, request) if large else _body(request)
        return _receipt(await self._jobs.submit(asking(call, NoQuery(), body)))

    async def details(self, call: Call, request: pb.JobIdentifier) -> pb.JobDetails:
        return _details(await self._jobs.details(asking(call, NoQuery(), None, _job(request))))

    async def cancel(self, call: Call, request: pb.JobIdentifier) -> pb.JobDetails:
        return _details(await self._jobs.cancel(asking(call, NoQuery(), None, _job(request))))

    async def cancel_all(self, call: Call, _request: empty_pb2.Empty) -> pb.JobDetailsList:
        return _all(await self._jobs.cancel_all(asking(call, NoQuery(), None)))

    async def close(self, call: Call, request: pb.JobIdentifier) -> pb.JobSubmissionReceipt:
        return _receipt(await self._jobs.close(asking(call, NoQuery(), None, _job(request))))

    async def append(self, call: Call, request: pb.AppendableJobInput) -> empty_pb2.Empty:
        """A piece of a file. Raises TooLarge, and as Uploads.append does."""
        if len(request.data) > self._piece:
            raise TooLarge(f"a piece may have {self._piece} bytes, not {len(request.data)}: send it as several")
        for name in ("job_identifier", "datasource_name", "input_name"):
            if not getattr(request, name):
                raise Invalid(f"`{name}` is missing")
        place = (request.datasource_name, request.input_name)
        await self._uploads.append(call.principal, request.job_identifier, place, _one(request.data))
        return empty_pb2.Empty()

    async def features(self, call: Call, _request: empty_pb2.Empty) -> pb.JobFeatures:
        return filled(await self._jobs.features(asking(call, NoQuery(), None)), pb.JobFeatures())

    async def summaries(self, call: Call, request: pb.JobFilter) -> pb.JobSummaryList:
        query, found = await self._history.in_short(asking(call, _query(request), None))
        jobs = [filled(one, pb.JobSummary(), status=state_word(one.status)) for one in found]
        return pb.JobSummaryList(jobs=jobs, **_page(query, len(jobs)))

    async def history(self, call: Call, request: pb.JobHistoryFilter) -> pb.JobDetailsList:
        query, found = await self._history.in_full(asking(call, _query(request), None))
        return _all(found, query)

    async def history_of(self, call: Call, request: pb.JobIdentifier) -> pb.JobDetailsList:
        return _all(await self._history.history_of(asking(call, NoQuery(), None, _job(request))))

    async def statistics(self, call: Call, _request: empty_pb2.Empty) -> pb.JobStatisticsList:
        found = await self._history.statistics(asking(call, NoQuery(), None))
        statistics = [filled(one, pb.JobStatistics()) for one in found]
        return pb.JobStatisticsList(statistics=statistics, **_page(None, len(found)))

    async def statistics_of(self, call: Call, request: accounting.APIKeyIdentifier) -> pb.JobStatistics:
        params = {"prefix": request.prefix}
        return filled(await self._history.statistics_of(asking(call, NoQuery(), None, params)), pb.JobStatistics())


def _body(request: pb.JobSubmission) -> bytes:
    """The same job as REST takes it. Raises Invalid."""
    model = request.model
    if not (model.identifier and model.version):
        raise Invalid("`model` should have an `identifier` and a `version`, like ed542963de and 1.0.0")
    body: dict[str, Any] = {
        "model": {"identifier": model.identifier, "version": model.version},
        "explain": request.explain,
    }
    if request.HasField("input"):
        body["input"] = {"type": "", "sources": {}} | json_format.MessageToDict(request.input)
        body["timeout"] = request.input.timeout
    return msgspec.json.encode(body)


def _job(request: pb.JobIdentifier) -> dict[str, str]:
    return {"job": request.identifier}


def _query(request: pb.JobFilter | pb.JobHistoryFilter) -> JobsQuery:
    named = {field.name: getattr(request, field.name) or None for field in request.DESCRIPTOR.fields}
    return JobsQuery(**named | {"status": state_asked(request.status)})


def _receipt(receipt: shapes.Receipt) -> pb.JobSubmissionReceipt:
    return filled(receipt, pb.JobSubmissionReceipt(), status=state_number(receipt.status))


def _details(details: shapes.Details) -> pb.JobDetails:
    return filled(details, pb.JobDetails(), status=state_word(details.status))


def _all(found: list[shapes.Details], query: HistoryQuery | None = None) -> pb.JobDetailsList:
    return pb.JobDetailsList(jobs=[_details(one) for one in found], **_page(query, len(found)))


def _page(query: HistoryQuery | None, count: int) -> dict[str, int]:
    """These requests name no page: they get the first, which holds as much as an answer may."""
    size = count if query is None else query.per_page
    return {"total_count": count, "page_number": 1, "page_size": size, "page_count": 1}


async def _one(piece: bytes) -> AsyncIterator[bytes]:
    yield piece
