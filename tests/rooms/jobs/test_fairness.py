"""A job of many inputs does not starve one of few, nor a user with many jobs one with few."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms.jobs.stored_jobs import KEY, named, store

from headrace.domain.job import JobInput
from headrace.jobs import claim_rows
from headrace.storage.schema import metadata
from headrace.storage.sqlite import _engine


@pytest.fixture
def tx():
    with _engine(":memory:", memory=True).connect() as connection:
        metadata.create_all(connection)
        yield connection


def claims(tx, most, count):
    found = [claim_rows.claim(tx, KEY, most, 1 << 20, 1) for _ in range(count)]
    return [(one.job.number, one.count) for one in found if one]


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


@settings(max_examples=15, deadline=None)
@given(
    jobs=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 150)), min_size=1, max_size=8),
    most=st.integers(1, 50),
)
def test_nobody_starves(jobs, most):
    """While two users both have work, the inputs served to them never differ by more than two claims."""
    with _engine(":memory:", memory=True).connect() as tx:
        metadata.create_all(tx)
        left, served = {}, {}
        for user, inputs in jobs:
            store(tx, named(inputs), user)
            left[user] = left.get(user, 0) + inputs
            served[user] = 0
        while (claimed := claim_rows.claim(tx, KEY, most, 1 << 20, 1)) is not None:
            served[claimed.job.user] += claimed.count
            left[claimed.job.user] -= claimed.count
            busy = [user for user, inputs in left.items() if inputs]
            assert (
                max((served[user] for user in busy), default=0) - min((served[user] for user in busy), default=0)
                <= 2 * most
            )
        assert not any(left.values())


def test_a_claim_stays_within_its_bytes(tx):
    store(tx, [JobInput(f"i{n}", {"x": b"x" * 10_000}) for n in range(50)])
    claimed = claim_rows.claim(tx, KEY, 1_000, 45_000, 1)
    assert 4 == claimed.count
