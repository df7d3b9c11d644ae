"""Everyone gets by weight: teams, the users of a team, the jobs of a user. A large job does not starve a small one."""

import pytest
from databases import opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rooms.jobs.stored_jobs import claim, named, store
from sqlalchemy import select

from headrace.domain.errors import Invalid, TooMuchWaiting
from headrace.domain.job import JobInput
from headrace.jobs.claim_rows import Back, Done, finish
from headrace.jobs.fair import node_of
from headrace.jobs.shares import Shares
from headrace.jobs.tables import flow, share
from headrace.settings import JobSettings


@pytest.fixture
def tx(scratch):
    with scratch() as connection:
        yield connection


def claims(tx, most, count):
    found = [claim(tx, most) for _ in range(count)]
    return [(one.job.number, one.count) for one in found if one]


def weigh(tx, weights):
    for node, weight in weights.items():
        tx.execute(share.insert().values(node=node, weight=weight))


def test_a_small_job_of_another_user_is_next(tx):
    big = store(tx, named(5_000), "ann")
    claims(tx, 100, 10)
    small = store(tx, named(1), "bob")

    assert [(small.number, 1), (big.number, 100)] == sorted(claims(tx, 100, 2), reverse=True)


def test_a_small_job_of_the_same_user_waits_for_one_claim_at_most(tx):
    store(tx, named(5_000))
    claims(tx, 100, 10)
    small = store(tx, named(1))

    assert small.number in {number for number, _ in claims(tx, 100, 2)}


def test_who_was_idle_saves_no_credit(tx):
    ann = store(tx, named(1_000), "ann")
    claims(tx, 100, 5)
    bob = store(tx, named(1_000), "bob")

    shares = [number for number, _ in claims(tx, 100, 10)]
    assert 5 == shares.count(bob.number)
    assert 5 == shares.count(ann.number)


def test_who_was_served_much_long_ago_does_not_wait_for_a_newcomer(tx):
    """Nobody was there when the newcomer came: the clock of the version goes on all the same."""
    store(tx, named(5_000), "ann")
    claims(tx, 1_000, 10)  # all of it: now nobody waits
    store(tx, named(5_000), "bob")
    claims(tx, 100, 1)
    again = store(tx, named(1), "ann")

    assert again.number in {number for number, _ in claims(tx, 100, 12)}


def test_inputs_that_come_back_do_not_wait_behind_a_new_job(tx):
    old = store(tx, named(1_000), "ann")
    held = claim(tx, 1_000)
    store(tx, named(5_000), "ann")
    claims(tx, 100, 5)
    finish(tx, held, Done(0, back=[Back(0, 1_000)]), 2)

    numbers = [number for number, _ in claims(tx, 100, 12)]
    assert numbers.count(old.number) >= 1


def test_a_team_with_many_users_gets_no_more_than_one_with_one(tx):
    for user in "abcdefgh":
        store(tx, named(1_000), user, team="many")
    one = store(tx, named(1_000), "z", team="one")

    shares = [number for number, _ in claims(tx, 50, 20)]
    assert 10 == shares.count(one.number)


def test_weights_of_teams_users_and_jobs(tx):
    weigh(tx, {node_of("t"): 3, node_of("t", "ann"): 2})
    high = store(tx, named(9_000), "ann", priority=20)
    store(tx, named(9_000), "ann", priority=10)
    store(tx, named(9_000), "bob")
    other = store(tx, named(9_000), "cy", team="u")

    served = {}
    for number, count in claims(tx, 10, 720):
        served[number] = served.get(number, 0) + count
    total = sum(served.values())
    assert served[other.number] / total == pytest.approx(1 / 4, abs=0.01)
    assert served[high.number] / total == pytest.approx(3 / 4 * 2 / 3 * 2 / 3, abs=0.01)


async def test_a_weight_counts_from_the_next_claim_on(storage_url, tmp_path):
    database = opened(storage_url, tmp_path)
    shares = Shares(database)
    await database.write(lambda tx: (store(tx, named(2_000), "ann"), store(tx, named(2_000), "bob")))
    await shares.set("t", "bob", 4.0)
    users = await database.write(lambda tx: [claim(tx, 10).job.user for _ in range(50)])
    assert 39 <= users.count("bob") <= 41

    assert [("t", "bob", 4.0)] == [(one.team, one.user, one.weight) for one in await shares.all()]
    await shares.set("t", "bob", 1.0)
    assert [] == await shares.all()
    assert {1.0} == set(await database.read(lambda tx: list(tx.scalars(select(flow.c.weight)))))
    with pytest.raises(Invalid, match="between"):
        await shares.set("t", "bob", 0.0)
    database.close()


people = st.tuples(st.sampled_from("xy"), st.sampled_from("abc"))
jobs = st.lists(st.tuples(people, st.integers(1, 150), st.sampled_from([1, 10, 30])), min_size=1, max_size=8)
weights = st.dictionaries(st.one_of(people.map(lambda one: node_of(*one)), st.sampled_from(["/x", "/y"])),
                          st.sampled_from([0.5, 1.0, 2.0, 5.0]), max_size=4)  # fmt: skip


@settings(max_examples=15, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(first=jobs, later=jobs, weights=weights, most=st.integers(1, 50), before=st.integers(0, 6))
def test_nobody_starves(scratch, first, later, weights, most, before):
    """While two of a kind both wait, what they were served by weight differs by a claim of each at most.

    Teams are compared with teams, users of a team with each other, and jobs of a user with each other; some come
    later, when the others have been served for a while.
    """
    with scratch() as tx:
        weigh(tx, weights)
        queue = _Fair(tx, weights, most)
        queue.store(first)
        for _ in range(before):
            queue.serve()
        queue.store(later)
        while queue.serve():
            queue.check()
        assert not any(queue.left.values())


class _Fair:
    """What each node of the tree was served by weight since it began to wait, and since when."""

    def __init__(self, tx, weights, most):
        self.tx, self.most, self.weights = tx, most, dict(weights)
        self.left, self.paths, self.history = {}, {}, []

    def store(self, jobs):
        for (team, user), inputs, priority in jobs:
            job = store(self.tx, named(inputs), user, team=team, priority=priority)
            path = (node_of(team), node_of(team, user), str(job.number))
            self.left[job.number], self.paths[job.number] = inputs, path
            self.weights[path[2]] = priority
        self.history = []

    def serve(self):
        claimed = claim(self.tx, self.most)
        if claimed is not None:
            busy = {node for job, left in self.left.items() if left for node in self.paths[job]}
            self.history.append((claimed.job.number, claimed.count, busy))
            self.left[claimed.job.number] -= claimed.count
        return claimed

    def check(self):
        """Over every stretch in which both of a pair waited all the time, to the newest claim."""
        busy = {node for job, left in self.left.items() if left for node in self.paths[job]}
        served = dict.fromkeys(busy, 0.0)
        waited = set(busy)
        for job, count, were_busy in reversed(self.history):
            waited &= were_busy
            for node in waited & set(self.paths[job]):
                served[node] += count / self._weight(node)
            self._compare({node: served[node] for node in waited})

    def _compare(self, served):
        for kind in (lambda path: ("team", path[0], ""), lambda path: ("user", path[1], path[0]),
                     lambda path: ("job", path[2], path[1])):  # fmt: skip
            for path in self.paths.values():
                for other in self.paths.values():
                    mine, its = kind(path), kind(other)
                    if mine[2] == its[2] and mine[1] in served and its[1] in served:
                        bound = self.most / self._weight(mine[1]) + self.most / self._weight(its[1])
                        assert served[mine[1]] - served[its[1]] <= bound + 1e-6

    def _weight(self, node):
        return self.weights.get(node, 1.0)


def test_a_claim_stays_within_its_bytes(tx):
    store(tx, [JobInput(f"i{n}", {"x": b"x" * 10_000}) for n in range(50)])
    assert 4 == claim(tx, 1_000, most_bytes=45_000).count


def test_more_than_may_wait_is_refused_and_changes_nothing(tx):
    limits = JobSettings(waiting_inputs=10, waiting_bytes=1_000)
    store(tx, named(6), settings=limits)
    for inputs, changes in ((named(5), {}), (named(1), {"input_bytes": 1_001})):
        with pytest.raises(TooMuchWaiting, match=r"jobs\.waiting_inputs"), tx.begin_nested():
            store(tx, inputs, settings=limits, **changes)
    store(tx, named(1), settings=limits, account="another")
    store(tx, named(4), settings=limits)
