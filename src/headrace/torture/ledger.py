"""What the server has promised its clients, written down by them: acknowledged jobs, refusals, results once seen."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from headrace.torture.work import PATIENT, Expected, Order

FIXED = ("status", "engine", "error", "startTime", "endTime")  # of a result: never changes once it was seen


@dataclass(slots=True)
class Promise:
    """An acknowledged job."""

    job: str
    tag: str
    user: str
    expected: dict[str, Expected]
    refused: frozenset[str]
    patient: bool  # must not time out
    ended: str = ""  # the state with which it was seen to have ended
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Ledger:
    promises: dict[str, Promise] = field(default_factory=dict)  # by job
    tried: dict[str, str | None] = field(default_factory=dict)  # by tag: the job, None while nobody knows
    refused: set[str] = field(default_factory=set)  # tags whose refusal was told: nothing of them may be stored
    excuses: tuple[str, ...] = ()  # words of failures that the faults of this round may cause
    counts: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def attempt(self, tag: str) -> None:
        self.tried.setdefault(tag, None)

    def acknowledged(self, tag: str, job: str, user: str, order: Order) -> Promise:
        known = self.tried.get(tag)
        if known is not None and known != job:
            self.complain(f"the same idempotency key gave two jobs: {known} and {job}")
        self.tried[tag] = job
        expected = {f"{tag}-{one.name}": one.expected for one in order.inputs}
        refused = frozenset(f"{tag}-{one}" for one in order.wrong)
        fresh = Promise(job, tag, user, expected, refused, patient=order.timeout in (0, PATIENT))
        promise = self.promises.setdefault(job, fresh)
        self.counts["jobs acknowledged"] += 1
        self.counts["inputs acknowledged"] += len(expected) + len(refused)
        return promise

    def told_no(self, tag: str) -> None:
        self.refused.add(tag)
        self.counts["jobs refused"] += 1

    def saw(self, promise: Promise, results: dict[str, Any]) -> None:
        """An answer of GET /api/results: what was seen once must stay as it is."""
        for name, result in {**results["results"], **results["failures"]}.items():
            kept = {field: result.get(field) for field in FIXED} | {"results.json": result.get("results.json")}
            before = promise.seen.setdefault(name, kept)
            if before != kept:
                self.complain(f"the result of {name} of job {promise.job} was {before} and is {kept}")
        if len(results["results"]) + len(results["failures"]) < len(promise.seen):
            self.complain(f"results of job {promise.job} that were seen before are gone")

    def saw_end(self, promise: Promise, state: str) -> None:
        if promise.ended and promise.ended != state:
            self.complain(f"job {promise.job} was {promise.ended} and is {state}")
        promise.ended = state

    def complain(self, sentence: str) -> None:
        self.complaints.append(sentence)
