"""The queue against a ten-line model: whatever happens in whatever order, every input ends exactly once."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from rooms.jobs.stored_jobs import KEY, named, result, store
from sqlalchemy import func, select

from headrace.domain.job import JobState
from headrace.jobs import claim_rows, frames, history_rows, rows
from headrace.jobs.claim_rows import Back
from headrace.jobs.tables import flow, job, lease
from headrace.storage.schema import metadata
from headrace.storage.sqlite import _engine


class Queue(RuleBasedStateMachine):
    """`waiting`, `held` and `done` are what the model knows of each job's ordinals."""

    @initialize()
    def begin(self):
        self.tx = _engine(":memory:", memory=True).connect()
        metadata.create_all(self.tx)
        self.jobs, self.waiting, self.done, self.claims = {}, {}, {}, []

    @rule(inputs=st.integers(0, 9), user=st.sampled_from(["ann", "bob"]))
    def submit(self, inputs, user):
        stored = store(self.tx, named(inputs), user) if inputs else None
        if stored:
            self.jobs[stored.number] = stored.id
            self.waiting[stored.number], self.done[stored.number] = set(range(inputs)), {}

    @rule(most=st.integers(1, 5))
    def claim(self, most):
        claimed = claim_rows.claim(self.tx, KEY, most, 1 << 20, 5)
        assert (claimed is None) == (not any(self.waiting.values()))
        if claimed:
            mine = set(range(claimed.first, claimed.first + claimed.count))
            assert mine <= self.waiting[claimed.job.number]
            assert 1 <= len(mine) <= (1 if claimed.strikes else most)
            opened = frames.unpack_inputs(claimed.payload)
            names = [one.name for one in opened[claimed.skip : claimed.skip + claimed.count]]
            assert [f"i{n}" for n in sorted(mine)] == names
            self.waiting[claimed.job.number] -= mine
            self.claims.append([claimed, claimed.first])

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def finish(self, data):
        entry = data.draw(st.sampled_from(self.claims))
        claimed, first = entry
        left = claimed.first + claimed.count - first
        good = data.draw(st.integers(0, left))
        back = data.draw(st.integers(0, left - good))
        results = [result(f"i{n}", ok=bool(n % 3)) for n in range(first, first + good)]
        returned = [Back(first + good, back, data.draw(st.integers(0, 1)))] if back else []
        job_after = claim_rows.finish(self.tx, claimed, first, results, returned, 7)
        number = claimed.job.number
        if number not in self.waiting:
            assert job_after is None  # cancelled meanwhile: the late result is dropped
            self.claims.remove(entry)
            return
        assert job_after is not None
        for one in range(first, first + good):
            assert one not in self.done[number]
            self.done[number][one] = bool(one % 3)
        self.waiting[number] |= set(range(first + good, first + good + back))
        entry[1] = first + good + back
        if entry[1] == claimed.first + claimed.count:
            self.claims.remove(entry)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def cancel(self, data):
        number = data.draw(st.sampled_from(sorted(self.waiting)))
        stored = rows.by_number(self.tx, number)
        if not stored.over:
            rows.end_job(self.tx, stored, JobState.CANCELED, 9)
            del self.waiting[number]

    @rule()
    def crash(self):
        """The server dies and starts again: what was held waits again, and old tokens are worth nothing."""
        claim_rows.recover(self.tx)
        for claimed, first in self.claims:
            if claimed.job.number in self.waiting:
                self.waiting[claimed.job.number] |= set(range(first, claimed.first + claimed.count))
                assert claim_rows.finish(self.tx, claimed, first, [result("late")], [], 8) is None
        self.claims = []

    @invariant()
    def counts_are_exact(self):
        for number in getattr(self, "jobs", {}):
            stored = rows.by_number(self.tx, number)
            good = sum(self.done[number].values())
            assert (good, len(self.done[number]) - good) == (stored.completed, stored.failed)
            assert 0 <= stored.pending <= stored.total
            assert (stored.state is JobState.COMPLETED) == (len(self.done[number]) == stored.total)
            ready = self.tx.scalar(select(job.c.ready).where(job.c.number == number))
            assert ready == len(self.waiting.get(number, ()))
            assert [f"i{n}" for n in sorted(self.done[number])] == names_with_results(self.tx, number)
        if getattr(self, "jobs", None):
            assert sum(map(len, self.waiting.values())) == self.tx.scalar(select(func.sum(flow.c.ready)))
            over = select(func.count()).select_from(lease.join(job)).where(job.c.state == JobState.COMPLETED)
            assert 0 == self.tx.scalar(over)

    def teardown(self):
        if hasattr(self, "tx"):
            self.tx.close()


def names_with_results(tx, number):
    names, after = [], -1
    while (found := history_rows.segment_of(tx, number, after)) is not None:
        after, results = found
        names += [one.name for one in results]
    return names


Queue.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestQueue = Queue.TestCase
