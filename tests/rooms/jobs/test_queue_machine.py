"""The queue against a ten-line model: whatever happens in whatever order, every input ends exactly once.

Several servers claim, renew, die and hang; replicas die, faults of ours come with pauses; jobs are cancelled, time out
and are tried again. `--full` runs 10,000 schedules, else the same few hundred each time.

What is drawn does not depend on what the database answered: of users who were served alike PostgreSQL may take either,
and Hypothesis would call that flaky.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from rooms.jobs.stored_jobs import KEY, claim_some, named, result, store, waiting
from sqlalchemy import func, select

from headrace.accounts import quotas
from headrace.domain.errors import QuotaExceeded
from headrace.domain.job import JobState
from headrace.domain.quota import QuotaScope, Terms
from headrace.jobs import cancel, dead_rows, frames, history_rows, lease_rows, rows
from headrace.jobs.claim_rows import Back, Done
from headrace.jobs.dead import store_again
from headrace.jobs.finish import store_done
from headrace.jobs.tables import flow, job, lease, load
from headrace.settings import JobSettings

PAUSE, ROOM = 10, 40  # of a retry; inputs that the quota allows
PICK = st.integers(0, 99)  # one of however many there are


@dataclass
class Model:
    """One job: each ordinal is in exactly one of these."""

    user: str
    names: list
    waiting: set = field(default_factory=set)  # in the queue
    paused: set = field(default_factory=set)  # after a fault of ours
    held: set = field(default_factory=set)  # by a server
    done: dict = field(default_factory=dict)  # ordinal → whether it was good
    dead: set = field(default_factory=set)  # of the failed: not tried again yet
    ended: JobState | None = None


@dataclass
class Claim:
    claimed: object
    server: str
    first: int
    valid: bool = True

    @property
    def ordinals(self):
        return range(self.first, self.claimed.first + self.claimed.count)


class Queue(RuleBasedStateMachine):
    def __init__(self, connect):
        super().__init__()
        self.connect = connect

    @initialize()
    def begin(self):
        self.tx = self.connect()
        quotas.create(self.tx, QuotaScope.USER, "ann", Terms(ROOM), 0)
        self.jobs, self.claims = {}, []

    @property
    def used(self):
        """What the model says that ann was charged: failures and cancelled inputs were given back."""
        return sum(len(one.waiting | one.paused | one.held) + sum(one.done.values())
                   for one in self.jobs.values() if one.user == "ann")  # fmt: skip

    @rule(inputs=st.integers(1, 9), user=st.sampled_from(["ann", "bob"]), priority=st.sampled_from([1, 10, 100]))
    def submit(self, inputs, user, priority):
        self._submitted(user, named(inputs), lambda: store(self.tx, named(inputs), user, priority=priority))

    def _submitted(self, user, inputs, act):
        fits = user != "ann" or self.used + len(inputs) <= ROOM
        try:
            with self.tx.begin_nested():
                stored = act()
        except QuotaExceeded:
            assert not fits
            return
        assert fits
        self.jobs[stored.number] = Model(user, [one.name for one in inputs], waiting=set(range(len(inputs))))

    @rule(most=st.integers(1, 5), together=st.integers(0, 9), server=st.sampled_from(["one", "two"]))
    def claim(self, most, together, server):
        """Several at once while they are small; all of them have one token."""
        found = claim_some(self.tx, most, together, server=server)
        assert (not found) == (not any(one.waiting for one in self.jobs.values()))
        for index, claimed in enumerate(found):
            assert sum(one.count for one in found[:index]) < max(1, together)
            self._claimed(claimed, most if index == 0 else together, server)
        assert not any(one.suspect for one in found[:-1])

    def _claimed(self, claimed, most, server):
        model = self.jobs[claimed.job.number]
        taken = set(range(claimed.first, claimed.first + claimed.count))
        assert taken <= model.waiting
        assert 1 <= len(taken) <= (1 if claimed.suspect else most)
        opened = frames.unpack_inputs(claimed.payload)
        names = [one.name for one in opened[claimed.skip : claimed.skip + claimed.count]]
        assert names == [model.names[one] for one in sorted(taken)]
        model.waiting -= taken
        model.held |= taken
        self.claims.append(Claim(claimed, server, claimed.first))

    @rule(
        pick=PICK,
        kinds=st.lists(st.sampled_from(["good", "bad", "dead"]), max_size=9),
        back=st.integers(0, 9),
        how=st.sampled_from([Back(0, 0), Back(0, 0, strikes=1), Back(0, 0, tries=1, due=PAUSE)]),
    )
    def finish(self, pick, kinds, back, how):
        """Results, then what goes back: after the death of a replica, or after a fault of ours with a pause."""
        if not self.claims:
            return
        mine = _picked(self.claims, pick)
        left = len(mine.ordinals)
        kinds = kinds[:left]
        answered = len(kinds)
        back = min(back, left - answered)
        model = self.jobs[mine.claimed.job.number]
        results = [result(model.names[mine.first + n], kind == "good") for n, kind in enumerate(kinds)]
        returned = [Back(mine.first + answered, back, how.strikes, how.tries, how.due)] if back else []
        buried = frozenset(n for n, kind in enumerate(kinds) if kind == "dead")
        after = store_done(self.tx, mine.claimed, Done(mine.first, results, returned, buried), 7)
        assert (after is not None) == mine.valid  # taken over, cancelled, timed out: the late result is dropped
        if not mine.valid:
            return
        for n, kind in enumerate(kinds):
            model.done[mine.first + n] = kind == "good"
            model.dead |= {mine.first + n} if kind == "dead" else set()
        gone = set(range(mine.first + answered, mine.first + answered + back))
        (model.paused if how.due else model.waiting).update(gone)
        model.held -= gone | set(range(mine.first, mine.first + answered))
        mine.first += answered + back
        if not mine.ordinals:
            mine.valid = False
        if len(model.done) == len(model.names):
            model.ended = JobState.COMPLETED

    @rule(pick=PICK, state=st.sampled_from([JobState.CANCELED, JobState.TIMEDOUT]))
    def end(self, pick, state):
        if not self.jobs:
            return
        number = _picked(sorted(self.jobs), pick)
        stored, model = rows.by_number(self.tx, number), self.jobs[number]
        after = cancel.end(self.tx, stored, state)
        if model.ended is None:
            model.ended = state
            model.waiting, model.paused, model.held = set(), set(), set()
            self._void(lambda one: one.claimed.job.number == number)
        assert after.state is model.ended

    @rule(pick=PICK, which=st.sets(PICK, min_size=1))
    def redrive(self, pick, which):
        failed = sorted(number for number, one in self.jobs.items() if one.dead)
        if not failed:
            return
        number = _picked(failed, pick)
        model = self.jobs[number]
        chosen = {_picked(sorted(model.dead), one) for one in which}
        names = [model.names[one] for one in sorted(chosen)]
        inputs = [one for one in named(len(model.names) + 9) if one.name in names]
        before = len(self.jobs)
        old = rows.by_number(self.tx, number)
        self._submitted(model.user, inputs, lambda: store_again(self.tx, old, names, JobSettings()))
        if len(self.jobs) > before:
            model.dead -= chosen

    @rule(server=st.sampled_from(["one", "two"]))
    def server_dies(self, server):
        """What it held waits again, and its tokens are worth nothing, should it have been only asleep."""
        lease_rows.take_back(self.tx, [one for one in lease_rows.held(self.tx) if one.server == server])
        for one in self.claims:
            if one.valid and one.server == server:
                self._give_back(one)

    @rule(server=st.sampled_from(["one", "two"]), which=st.sets(PICK))
    def leases_expire(self, server, which):
        """A server renews, and later some leases that it did not renew are taken from it."""
        lease_rows.renew(self.tx, server, 99)
        held = sorted(lease_rows.held(self.tx), key=lambda one: one.number)
        assert all(one.until == 99 for one in held if one.server == server)
        lost = {_picked(held, one) for one in which} if held else set()
        lease_rows.take_back(self.tx, lost)
        lease_rows.take_back(self.tx, lost)  # two servers may see the same: the second finds nothing
        for one in self.claims:
            if one.valid and (one.claimed.lease, one.claimed.token) in {(gone.number, gone.token) for gone in lost}:
                self._give_back(one)

    @rule(now=st.sampled_from([PAUSE - 1, PAUSE, -1_000]))
    def pauses_end(self, now):
        """Also when the clock was set back, so that they would not end for a long time."""
        over = now >= PAUSE or now < 0
        assert lease_rows.due(self.tx, now, 100) == (sum(len(one.paused) for one in self.jobs.values()) if over else 0)
        for one in self.jobs.values() if over else ():
            one.waiting, one.paused = one.waiting | one.paused, set()

    def _give_back(self, mine):
        model = self.jobs[mine.claimed.job.number]
        model.held -= set(mine.ordinals)
        model.waiting |= set(mine.ordinals)
        mine.valid = False

    def _void(self, condition):
        for one in self.claims:
            one.valid = one.valid and not condition(one)

    @invariant()
    def counts_are_exact(self):
        for number, model in getattr(self, "jobs", {}).items():
            stored = rows.by_number(self.tx, number)
            good = sum(model.done.values())
            assert (stored.completed, stored.failed, stored.dead) == (good, len(model.done) - good, len(model.dead))
            open_ = 0 if model.ended else len(model.names) - len(model.done)
            assert (stored.pending, stored.canceled) == (open_, stored.total - len(model.done) - open_)
            assert (stored.state if stored.over else None) == model.ended
            assert self.tx.scalar(select(job.c.ready).where(job.c.number == number)) == len(model.waiting)
            held = select(func.sum(lease.c.length)).where(lease.c.job == number, lease.c.token.is_not(None))
            assert (self.tx.scalar(held) or 0) == len(model.held)
            assert [model.names[n] for n in sorted(model.done)] == names_with_results(self.tx, number)
            assert set(dead_rows.open_ordinals(self.tx, number, None)) == model.dead

    @invariant()
    def sums_are_exact(self):
        jobs = getattr(self, "jobs", {}).values()
        if not jobs:
            return
        in_queue = sum(len(one.waiting) for one in jobs)
        assert waiting(self.tx) == in_queue
        for depth in ("/%", "/%/%"):
            level = select(func.sum(flow.c.ready)).where(flow.c.version == KEY.version, flow.c.node.like(depth))
            assert (self.tx.scalar(level) or 0) == in_queue * (2 if depth == "/%" else 1)
        live = [one for one in jobs if one.ended is None]
        row = self.tx.execute(select(load)).one()
        assert (row.jobs, row.inputs) == (len(live), sum(len(one.names) for one in live))
        [quota] = quotas.find(self.tx, 5)
        assert quota.used == self.used

    def teardown(self):
        if hasattr(self, "tx"):
            self.tx.close()


def _picked(those, pick):
    return those[pick % len(those)]


def names_with_results(tx, number):
    names, after = [], -1
    while (found := history_rows.segment_of(tx, number, after)) is not None:
        after, results = found
        names += [one.name for one in results]
    return names


def test_the_queue_and_its_model_agree(scratch, request):
    full = request.config.getoption("--full")
    schedules = settings(max_examples=10_000 if full else 30, stateful_step_count=40, deadline=None,
                         derandomize=not full, database=None)  # fmt: skip
    run_state_machine_as_test(lambda: Queue(scratch), settings=schedules)
