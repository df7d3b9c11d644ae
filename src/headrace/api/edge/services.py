"""The edge API's door and its table of methods: every path of the three services is here."""

from collections.abc import Iterator

from google.protobuf import empty_pb2

from headrace.api.callers import Callers
from headrace.api.edge.inferences import InferenceCalls
from headrace.api.edge.jobs import JobCalls
from headrace.api.edge.messages import spoken
from headrace.api.edge.proto import edge_accounting_pb2 as accounting
from headrace.api.edge.proto import edge_inferences_pb2 as inferences
from headrace.api.edge.proto import edge_jobs_pb2 as jobs
from headrace.api.edge.proto import edge_results_pb2 as results
from headrace.api.edge.results import ResultCalls
from headrace.api.grpc.calls import Limits, Method
from headrace.api.grpc.door import Door, admit
from headrace.api.grpc.table import table
from headrace.api.hosts import is_loopback
from headrace.api.modzy.companies import Companies
from headrace.api.rooms import Rooms
from headrace.domain.account import Action

SUBMIT, READ, CANCEL = (Action.SUBMIT_JOBS,), (Action.READ_OWN_JOBS,), (Action.CANCEL_OWN_JOBS,)

Named = Iterator[tuple[str, Method]]


def door(rooms: Rooms) -> Door:
    """Clients send no key: on loopback they need none. Elsewhere one must come, as the metadata `authorization`."""
    server = rooms.settings.server
    limits = Limits(
        message=server.json_limit,
        bodies=rooms.bodies,
        connections=server.connections,
        body=server.body_deadline,
    )
    callers = Callers(rooms.keys, rooms.settings, open_here=is_loopback(rooms.settings.edge.host))
    single = InferenceCalls(rooms)
    return Door(methods(rooms, single), admit(callers), limits, rooms.calls, single.run)


def methods(rooms: Rooms, single: InferenceCalls) -> dict[str, Method]:
    companies = Companies(rooms.models, rooms.people, rooms.keys)
    services = {
        "jobs.v1.JobService": dict(_jobs(JobCalls(rooms, companies))),
        "results.v1.ResultsService": dict(_results(ResultCalls(rooms, companies))),
        "inferences.api.v1.InferenceService": dict(_inferences(single)),
    }

    async def ready() -> bool:
        return rooms.ready()

    return table(services, ready)


def _jobs(calls: JobCalls) -> Named:
    yield "SubmitJob", Method(SUBMIT, spoken(jobs.JobSubmission, calls.submit))
    yield "GetJobs", Method(READ, spoken(jobs.JobFilter, calls.summaries))
    yield "GetJob", Method(READ, spoken(jobs.JobIdentifier, calls.details))
    yield "GetFeatures", Method((Action.READ_OWN_ACCOUNT,), spoken(empty_pb2.Empty, calls.features))
    yield "GetStatistics", Method(READ, spoken(empty_pb2.Empty, calls.statistics))
    yield "GetStatisticsForAccessKey", Method(READ, spoken(accounting.APIKeyIdentifier, calls.statistics_of))
    yield "CancelJob", Method(CANCEL, spoken(jobs.JobIdentifier, calls.cancel))
    yield "CancelAllJobs", Method(CANCEL, spoken(empty_pb2.Empty, calls.cancel_all))
    yield "GetJobHistory", Method(READ, spoken(jobs.JobHistoryFilter, calls.history))
    yield "GetHistoryForJob", Method(READ, spoken(jobs.JobIdentifier, calls.history_of))
    yield "CloseJob", Method(SUBMIT, spoken(jobs.JobIdentifier, calls.close))
    yield "AddInputToJob", Method(SUBMIT, spoken(jobs.AppendableJobInput, calls.append))


def _results(calls: ResultCalls) -> Named:
    yield "GetResults", Method(READ, spoken(jobs.JobIdentifier, calls.of_job))
    yield "GetResult", Method(READ, spoken(results.ResultIdentifier, calls.of_input))
    yield "GetResultOutput", Method(READ, spoken(results.OutputIdentifier, calls.output))
    yield "UpVoteResult", Method(READ, spoken(results.ResultIdentifier, calls.up_vote))
    yield "DownVoteResult", Method(READ, spoken(results.ResultIdentifier, calls.down_vote))
    yield "ResetVotesForResult", Method(READ, spoken(results.ResultIdentifier, calls.reset_votes))
    yield "GetVoteForResult", Method(READ, spoken(results.ResultIdentifier, calls.vote))


def _inferences(calls: InferenceCalls) -> Named:
    yield "PerformInference", Method(SUBMIT, spoken(inferences.InferenceRequest, calls.perform))
    yield "GetInferenceDetails", Method(SUBMIT, spoken(inferences.InferenceIdentifier, calls.details))
    yield "StreamInferences", Method(SUBMIT, streaming=calls.stream)
